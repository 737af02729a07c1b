//! The key or token that pays for the requests.
//!
//! Credentials come from the environment alone: a flag would be seen in the process list, and a
//! file would be committed. They are kept apart from the settings, which are printed.

use secrecy::SecretString;

use super::environment::{self, Environment};
use super::failure::Failure;
use crate::provider::clean_secret;

pub use crate::provider::Credentials;

impl Credentials {
    /// Reads both variables, trimmed of white space and quotes; empty ones count as unset.
    ///
    /// # Errors
    ///
    /// A variable holds what no header may carry. The value is not repeated.
    pub fn from_environment(env: &Environment) -> Result<Self, Failure> {
        Ok(Self {
            api_key: read(env, environment::API_KEY)?,
            auth_token: read(env, environment::AUTH_TOKEN)?,
        })
    }

    /// These credentials, if there are any.
    ///
    /// # Errors
    ///
    /// None is set (exit code 2).
    pub fn required(self) -> Result<Self, Failure> {
        if self.is_empty() {
            return Err(Failure::usage(
                "there is no API key",
                "set ANTHROPIC_API_KEY (export ANTHROPIC_API_KEY=...), or add --simulate to try things out without one",
            )
            .because("neither ANTHROPIC_API_KEY nor ANTHROPIC_AUTH_TOKEN is set"));
        }
        Ok(self)
    }
}

fn read(env: &Environment, name: &'static str) -> Result<Option<SecretString>, Failure> {
    let Some(text) = env.text(name)? else {
        return Ok(None);
    };
    clean_secret(text, name).map_err(|_| {
        Failure::usage(
            format!("the value of {name} cannot be a key"),
            format!("copy the key anew, on one line, into {name}"),
        )
        .because("it holds a blank, a line break or a letter outside ASCII")
    })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::cli::exit::Exit;

    fn key(value: &str) -> Result<Option<String>, Failure> {
        let env = Environment::from_lookup(|name| {
            (name == environment::API_KEY).then(|| value.to_owned().into())
        });
        let credentials = Credentials::from_environment(&env)?;
        Ok(credentials
            .api_key
            .map(|key| key.expose_secret().to_owned()))
    }

    #[test]
    fn keys_are_trimmed_of_white_space_and_quotes() {
        for text in [
            "sk-1",
            " sk-1\n",
            "\"sk-1\"",
            "'sk-1'",
            " \" sk-1 \"\r\n",
            "\u{201c}sk-1\u{201d}",
            "`sk-1`",
        ] {
            assert_eq!(key(text), Ok(Some("sk-1".to_owned())), "{text:?}");
        }
    }

    #[test]
    fn an_empty_key_counts_as_unset() {
        for text in ["", " ", "\"\"", "' '"] {
            assert_eq!(key(text), Ok(None), "{text:?}");
        }
    }

    #[test]
    fn a_key_that_no_header_may_carry_is_refused_and_not_repeated() {
        for text in ["hidden\nkey", "hidden key", "hidden\u{e4}"] {
            let failure = key(text).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage);
            assert!(!format!("{failure:?}").contains("hidden"));
        }
    }

    #[test]
    fn no_credentials_at_all_are_a_usage_error() {
        let failure = Credentials::default().required().unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.next.contains("ANTHROPIC_API_KEY"));
    }
}

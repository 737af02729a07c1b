//! Why a client cannot be made.

use std::fmt;
use std::path::PathBuf;

use crate::model::Problem;

/// Why a client cannot be made. All are faults of the configuration.
#[derive(Debug)]
pub enum ClientError {
    /// The base URL is no usable endpoint.
    BaseUrl {
        /// What is wrong with it; does not repeat the URL, which may carry a password.
        reason: String,
    },
    /// A credential that cannot be sent.
    SecretCharacter {
        /// What the secret is called.
        name: &'static str,
        /// Where the character stands, from 1.
        position: usize,
    },
    /// A header that cannot be sent.
    Header {
        /// The header's name.
        name: String,
        /// What is wrong with it; does not repeat the value.
        reason: &'static str,
    },
    /// A proxy that cannot be used.
    Proxy {
        /// The variable.
        variable: String,
        /// What is wrong with it; does not repeat the value, which may carry a password.
        reason: String,
    },
    /// The certificate file cannot be used.
    CaBundle {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// TLS cannot be set up.
    Tls {
        /// What the TLS library says.
        reason: String,
    },
}

impl ClientError {
    /// What happened, why, and what to do next.
    #[must_use]
    pub fn problem(&self) -> Problem {
        match self {
            Self::BaseUrl { reason } => Problem::new(
                "the base URL cannot be used",
                "give the API's root with --base-url or ANTHROPIC_BASE_URL, for example https://api.anthropic.com",
            )
            .because(reason),
            Self::SecretCharacter { name, position } => Problem::new(
                format!("the {name} cannot be sent"),
                "copy it again, without spaces or line breaks",
            )
            .because(format_args!(
                "its character {position} is not allowed in a header"
            )),
            Self::Header { name, reason } => Problem::new(
                format!("the header `{name}` cannot be sent"),
                "correct it in the configuration or in ANTHROPIC_CUSTOM_HEADERS",
            )
            .because(reason),
            Self::Proxy { variable, reason } => Problem::new(
                format!("the proxy that {variable} names cannot be used"),
                format!(
                    "write it as http://HOST:PORT, https://HOST:PORT, socks5://HOST:PORT or socks5h://HOST:PORT, or unset {variable}"
                ),
            )
            .because(reason),
            Self::CaBundle { path, reason } => Problem::new(
                format!("the certificates of {} cannot be used", path.display()),
                "give a PEM file with --ca-bundle",
            )
            .because(reason),
            Self::Tls { reason } => Problem::new(
                "no secure connection can be set up",
                "install the system's CA certificates (package ca-certificates), or give a PEM file with --ca-bundle",
            )
            .because(reason),
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem().fmt(f)
    }
}

impl std::error::Error for ClientError {}

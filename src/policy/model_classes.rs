//! Which models share rate limits, and what their tokenizers make of a text, as data.
//!
//! The table is embedded; it says what Anthropic's pages said on its date. What it does not name has
//! limits of its own and the plain tokenizer.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::spelling;

const EMBEDDED: &str = include_str!("model_classes.toml");
/// Digits of the date at the end of a dated model id.
const DATE_DIGITS: usize = 8;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[expect(dead_code, reason = "it dates the table for whoever reads the file")]
    version: String,
    class: Vec<ClassFile>,
    tokenizer: Vec<TokenizerFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassFile {
    name: String,
    models: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenizerFile {
    factor: f64,
    models: Vec<String>,
}

/// What is known of models besides their prices.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelClasses {
    classes: HashMap<String, String>,
    tokenizers: HashMap<String, f64>,
}

impl ModelClasses {
    /// The built-in table; its text is read once.
    #[must_use]
    pub fn embedded() -> Self {
        static TABLE: LazyLock<ModelClasses> = LazyLock::new(ModelClasses::read);
        TABLE.clone()
    }

    #[expect(
        clippy::expect_used,
        reason = "the text is part of the program, and every test here reads it"
    )]
    fn read() -> Self {
        let file: File = toml::from_str(EMBEDDED).expect("the embedded table is well formed");
        let classes = file.class.into_iter().flat_map(|class| {
            let name = class.name;
            let pair = move |model| (model, name.clone());
            class.models.into_iter().map(pair)
        });
        let tokenizers = file.tokenizer.into_iter().flat_map(|tokenizer| {
            let pair = move |model| (model, tokenizer.factor);
            tokenizer.models.into_iter().map(pair)
        });
        Self {
            classes: classes.collect(),
            tokenizers: tokenizers.collect(),
        }
    }

    /// The class whose limits this model draws on: itself, if it is not known.
    #[must_use]
    pub fn class_of<'a>(&'a self, model: &'a str) -> &'a str {
        let class = known(&self.classes, model);
        class.map_or(model, String::as_str)
    }

    /// How many times as many tokens its tokenizer makes of a text as the plain one.
    #[must_use]
    pub fn tokenizer_factor(&self, model: &str) -> f64 {
        known(&self.tokenizers, model).copied().unwrap_or(1.0)
    }
}

/// What a table says of a model: by its id, or as gateways and clouds spell it.
fn known<'a, T>(table: &'a HashMap<String, T>, model: &str) -> Option<&'a T> {
    let by_id = table.get(plain_id(model));
    by_id.or_else(|| {
        let meant = spelling::read(model)?;
        table.get(&spelling::shape(&meant.name)?.id())
    })
}

/// The id without the date or the `-latest` at its end.
fn plain_id(model: &str) -> &str {
    match model.rsplit_once('-') {
        Some((plain, "latest")) => plain,
        Some((plain, date))
            if date.len() == DATE_DIGITS && date.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            plain
        }
        _ => model,
    }
}

#[cfg(test)]
mod tests {
    use super::ModelClasses;

    #[test]
    fn models_of_a_class_share_and_the_unknown_stand_alone() {
        let classes = ModelClasses::embedded();
        for (model, class) in [
            ("claude-opus-4-5-20251101", "opus-4"),
            ("claude-opus-4-8", "opus-4"),
            ("claude-opus-5", "opus-5"),
            ("claude-opus-5-5", "opus-5-5"),
            ("claude-sonnet-4-5", "sonnet-4"),
            ("claude-fable-5-2", "fable-5"),
            ("claude-haiku-4-5-latest", "haiku-4-5"),
            ("anthropic/claude-opus-4.5", "opus-4"),
            ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "haiku-4-5"),
            ("my-gateway/model-7", "my-gateway/model-7"),
            ("", ""),
        ] {
            assert_eq!(classes.class_of(model), class, "{model}");
        }
    }

    #[test]
    fn newer_tokenizers_make_more_of_a_text() {
        let classes = ModelClasses::embedded();
        for (model, newer) in [
            ("claude-opus-4-6", false),
            ("claude-opus-4-7", true),
            ("claude-sonnet-4-6", false),
            ("claude-sonnet-5", true),
            ("claude-haiku-4-5-20251001", false),
            ("claude-haiku-5-5", true),
            ("unheard-of", false),
        ] {
            assert_eq!(classes.tokenizer_factor(model) > 1.0, newer, "{model}");
        }
    }
}

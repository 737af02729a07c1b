//! What each model accepts, as data.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::policy::spelling::{self, Shape};

const EMBEDDED: &str = include_str!("rules.toml");

/// Which of `temperature`, `top_p` and `top_k` a model accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Sampling {
    #[default]
    Free,
    OneOfTwo,
    DefaultOnly,
}

/// Which kinds of `thinking` a model accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Thinking {
    /// Nothing is known, so nothing is said.
    #[default]
    Unknown,
    Manual,
    Any,
    Adaptive,
    AdaptiveByEffort,
    Always,
}

/// What models of one kind accept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRules {
    models: Vec<String>,
    /// The same as ids without a day, read once: every line of a file asks for them.
    #[serde(skip)]
    shapes: Vec<String>,
    #[serde(default)]
    pub(super) sampling: Sampling,
    #[serde(default)]
    pub(super) thinking: Thinking,
    /// `tool_choice` may be `any` or `tool`.
    #[serde(default = "yes")]
    pub(super) forced_tools: bool,
    /// The last message may be the assistant's.
    #[serde(default = "yes")]
    pub(super) prefill: bool,
    /// A message may have the role `system`. None where it is not known.
    #[serde(default)]
    pub(super) system_turns: Option<bool>,
    /// `inference_geo` is known to it.
    #[serde(default = "yes")]
    pub(super) geo: bool,
    /// Who takes over when it is retired.
    #[serde(default)]
    pub(super) successor: Option<String>,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[expect(dead_code, reason = "it dates the rules for whoever reads the file")]
    version: String,
    #[serde(default)]
    model: Vec<ModelRules>,
}

/// Why a file of rules cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// What is wrong there.
    pub reason: String,
}

/// The rules of all models that are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules(Vec<ModelRules>);

impl Rules {
    /// The built-in rules; their text is read once.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "the text is part of the program, and every test here reads it"
    )]
    pub fn embedded() -> Self {
        static RULES: LazyLock<Rules> =
            LazyLock::new(|| Rules::parse(EMBEDDED).expect("the embedded rules are well formed"));
        RULES.clone()
    }

    /// Reads rules of the form of the built-in ones.
    ///
    /// # Errors
    ///
    /// When the text is no TOML, or has a key or a value that is not known, with the place.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        let mut file: File = toml::from_str(text).map_err(|error| {
            let before = &text[..error.span().map_or(0, |span| span.start)];
            let line = before.rsplit('\n').next().unwrap_or_default();
            RuleError {
                line: before.matches('\n').count() + 1,
                column: line.chars().count() + 1,
                reason: error.message().to_owned(),
            }
        })?;
        for rules in &mut file.model {
            rules.shapes = rules.models.iter().map(|name| model_shape(name)).collect();
        }
        Ok(Self(file.model))
    }

    /// These with the user's laid over them: of a model that both name, the user's hold, as a whole.
    #[must_use]
    pub fn overridden_by(self, user: Self) -> Self {
        Self(user.0.into_iter().chain(self.0).collect())
    }

    /// The rules of a model: by its name, by the name without its day, or by a gateway's spelling.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<&ModelRules> {
        let named = |rules: &&ModelRules| rules.models.iter().any(|model| model == name);
        self.0.iter().find(named).or_else(|| {
            let meant = meant(name)?;
            self.0.iter().find(|rules| rules.shapes.contains(&meant))
        })
    }
}

/// A model's family and version, as its id without a day.
fn model_shape(name: &str) -> String {
    spelling::shape(name).map_or_else(|| name.to_owned(), |shape| Shape::id(&shape))
}

fn meant(name: &str) -> Option<String> {
    let spelling = spelling::read(name)?;
    spelling::shape(&spelling.name).map(|shape| shape.id())
}

#[cfg(test)]
mod tests {
    use super::{Rules, Sampling};
    use crate::policy::PriceTable;

    #[test]
    fn every_model_that_is_served_has_rules_and_every_model_of_the_rules_is_priced() {
        let (rules, prices) = (Rules::embedded(), PriceTable::embedded());
        for model in prices.models() {
            assert!(rules.of(&model.id).is_some(), "{} has no rules", model.id);
        }
        for model in rules.0.iter().flat_map(|rules| &rules.models) {
            assert!(prices.model(model).is_some(), "{model} is not in the table");
        }
        for successor in rules.0.iter().filter_map(|rules| rules.successor.as_ref()) {
            assert!(prices.model(successor).is_some(), "{successor}");
        }
    }

    #[test]
    fn a_name_is_read_as_the_api_and_the_clouds_write_it() {
        let rules = Rules::embedded();
        for name in [
            "claude-haiku-4-5",
            "claude-haiku-4-5-20251001",
            "us.anthropic.claude-haiku-4-5-20251001-v1:0",
            "anthropic/claude-haiku-4.5",
        ] {
            let sampling = rules.of(name).map(|rules| rules.sampling);
            assert_eq!(sampling, Some(Sampling::OneOfTwo), "{name}");
        }
        assert!(rules.of("gpt-x").is_none() && rules.of("claude-tiny-9").is_none());
    }

    #[test]
    fn the_users_rules_come_first_and_a_mistake_in_them_has_its_place() {
        let text = "version = \"mine\"\n[[model]]\nmodels = [\"claude-opus-5\"]\n";
        let rules = Rules::embedded().overridden_by(Rules::parse(text).unwrap());
        let of = |name: &str| rules.of(name).map(|rules| rules.sampling);
        assert_eq!(of("claude-opus-5"), Some(Sampling::Free));
        assert_eq!(of("claude-opus-5-5"), Some(Sampling::DefaultOnly));
        let error = Rules::parse(&text.replace("models", "modles")).unwrap_err();
        assert_eq!((error.line, error.column), (3, 1), "{}", error.reason);
    }
}

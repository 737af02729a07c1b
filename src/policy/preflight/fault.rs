//! What is told of a request.

use std::fmt;

pub(super) use crate::model::JsonStep as Step;

/// What is wrong, by the kind of it. The name is how it is called in the guide.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Rule {
    /// No model of that name is known.
    UnknownModel,
    /// The model is no longer served.
    RetiredModel,
    /// The model is served for at most 60 days more.
    RetiringModel,
    /// The name is how another platform spells the model.
    OtherPlatform,
    /// `max_tokens` is above what the model gives.
    MaxTokens,
    /// The prompt is larger than the model's window.
    Window,
    /// A sampling parameter that the model refuses.
    Sampling,
    /// A kind or budget of thinking that the model refuses.
    Thinking,
    /// The last message is the assistant's.
    Prefill,
    /// A message has the role `system`.
    SystemTurn,
    /// A message has a role that is none.
    Role,
    /// A text is blank.
    BlankText,
    /// A `tool_use` without its `tool_result`, or the other way round.
    ToolPairs,
    /// A tool without a good name of its own.
    ToolName,
    /// A tool whose schema is none.
    ToolSchema,
    /// A tool that must be used, where the model takes no such order.
    ToolChoice,
    /// Too many cache marks, or marks in a wrong place or order.
    CacheMarks,
    /// A cache mark on a prefix that is too short to be cached.
    CacheTooShort,
    /// Data that are not base64.
    Base64,
    /// A picture that is not what it says, or too large.
    Image,
    /// A document that is not what it says, or too large.
    Document,
    /// A key of the request that is a misspelt one.
    MisspeltKey,
    /// A parameter that wants a beta, or that the model does not have.
    Parameter,
}

impl Rule {
    /// All of them.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Its name: `max-tokens`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// What is wrong, of any number of lines.
    #[must_use]
    pub fn summary(self) -> &'static str {
        match self {
            Self::UnknownModel => "the model is not known",
            Self::RetiredModel => "the model is retired",
            Self::RetiringModel => "the model is retired soon",
            Self::OtherPlatform => "the model's name is how another platform spells it",
            Self::MaxTokens => "`max_tokens` is above what the model gives",
            Self::Window => "the prompt is larger than the model's window",
            Self::Sampling => "the model refuses a sampling parameter",
            Self::Thinking => "the model refuses this `thinking`",
            Self::Prefill => "the model takes no answer that is begun for it",
            Self::SystemTurn => "the model takes no message of role `system`",
            Self::Role => "a message has a role that is none",
            Self::BlankText => "a text is blank",
            Self::ToolPairs => "a tool's use and its result do not stand together",
            Self::ToolName => "a tool's name is refused",
            Self::ToolSchema => "a tool's schema is none",
            Self::ToolChoice => "the order to use a tool cannot be followed",
            Self::CacheMarks => "the cache marks are refused",
            Self::CacheTooShort => "a cache mark does nothing: what it marks is too short",
            Self::Base64 => "data are not base64",
            Self::Image => "a picture is refused",
            Self::Document => "a document is refused",
            Self::MisspeltKey => "a key is misspelt",
            Self::Parameter => "the model does not have this parameter",
        }
    }

    /// Whether it only costs more than it could: advice for whoever asks for it.
    #[must_use]
    pub fn is_advice(self) -> bool {
        self == Self::CacheTooShort
    }

    /// Whether the API refuses it. What is not refused is told and never counts as a fault.
    #[must_use]
    pub fn is_refused(self) -> bool {
        !matches!(self, Self::RetiringModel | Self::CacheTooShort)
    }
}

/// Something in a request that is known to be refused, or to do nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreseen {
    /// The kind of it.
    pub rule: Rule,
    /// Where it stands, from the top of the request.
    pub path: Vec<Step>,
    /// What is wrong and what to do, in a sentence.
    pub text: String,
}

impl fmt::Display for Foreseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Foreseen>);

/// Told of one request at most: a thousand blank texts are one mistake.
const MOST: usize = 20;

impl Faults {
    /// Adds one that stands at `path`; its text begins with the place, as the API's messages do.
    pub(super) fn at(&mut self, rule: Rule, path: &[Step], what: impl fmt::Display) {
        let place: Vec<_> = path.iter().map(Step::to_string).collect();
        let place = match &place[..] {
            [] => "the request".to_owned(),
            steps => format!("`{}`", steps.join(".")),
        };
        self.add(Foreseen {
            rule,
            path: path.to_vec(),
            text: format!("{place} {what}"),
        });
    }

    pub(super) fn add(&mut self, fault: Foreseen) {
        if self.0.len() < MOST {
            self.0.push(fault);
        }
    }

    pub(super) fn into_vec(self) -> Vec<Foreseen> {
        self.0
    }
}

//! The models that the simulator knows, and what each accepts.
//!
//! Owns one table: ids, sizes, rate-limit class and parameter rules. It holds no prices: the
//! simulator counts tokens, never money.

/// A model of the table.
#[derive(Debug)]
pub(super) struct Model {
    /// The resolved id, as answers carry it.
    pub(super) id: &'static str,
    /// The shorter name that resolves to it.
    pub(super) alias: Option<&'static str>,
    pub(super) display_name: &'static str,
    /// Day of release; of some models an estimate, for it decides nothing.
    pub(super) created: &'static str,
    /// Models of a class share their rate limits.
    pub(super) class: &'static str,
    pub(super) context: u32,
    pub(super) max_output: u32,
    /// Least tokens of a prompt prefix that is cached.
    pub(super) cache_minimum: u32,
    pub(super) thinking: Thinking,
    pub(super) sampling: Sampling,
    /// Whether `tool_choice` may be `any` or `tool`.
    pub(super) forced_tools: bool,
    /// Whether a message in the middle may have the role `system`.
    pub(super) system_turns: bool,
    /// Whether it thinks without being asked to.
    pub(super) thinks_unasked: bool,
}

/// Which kinds of `thinking` a model accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thinking {
    /// The 4.5 family: `enabled` and `disabled`.
    Manual,
    /// The 4.6 family: all three.
    Any,
    /// `adaptive` and `disabled`.
    Adaptive,
    /// `adaptive`; `disabled` only while the effort is at most `high`.
    AdaptiveByEffort,
    /// `adaptive` alone: it cannot be switched off.
    Always,
}

/// Which of `temperature`, `top_p` and `top_k` a model accepts in the older API version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sampling {
    /// Any.
    Free,
    /// `temperature` or `top_p`, not both.
    OneOfTwo,
    /// Default values only.
    Deprecated,
}

impl Model {
    /// Whether that is its id or its alias.
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.id == name || self.alias == Some(name)
    }

    /// The 4.5 family is the last that takes a prefilled answer.
    pub(super) fn accepts_prefill(&self) -> bool {
        self.thinking == Thinking::Manual
    }

    /// `inference_geo` came with the 4.6 family.
    pub(super) fn accepts_geo(&self) -> bool {
        self.thinking != Thinking::Manual
    }
}

/// The model with this id or alias. Retired ones are not found, as at the API.
pub(super) fn find(name: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.is_named(name))
}

/// The newest first.
pub(super) fn all() -> &'static [Model] {
    &MODELS
}

const MILLION: u32 = 1_000_000;

/// What the newest models have in common; rows name what differs.
const CURRENT: Model = Model {
    id: "",
    alias: None,
    display_name: "",
    created: "",
    class: "",
    context: MILLION,
    max_output: 128_000,
    cache_minimum: 512,
    thinking: Thinking::Adaptive,
    sampling: Sampling::Deprecated,
    forced_tools: true,
    system_turns: true,
    thinks_unasked: true,
};

const FABLE: Model = Model {
    class: "fable",
    thinking: Thinking::Always,
    forced_tools: false,
    ..CURRENT
};

const OPUS_4: Model = Model {
    class: "opus-4",
    system_turns: false,
    thinks_unasked: false,
    ..CURRENT
};

const SONNET: Model = Model {
    cache_minimum: 1_024,
    system_turns: false,
    ..CURRENT
};

/// The 4.5 family.
const OLDER: Model = Model {
    context: 200_000,
    max_output: 64_000,
    cache_minimum: 4_096,
    thinking: Thinking::Manual,
    sampling: Sampling::OneOfTwo,
    system_turns: false,
    thinks_unasked: false,
    ..CURRENT
};

static MODELS: [Model; 18] = [
    Model {
        id: "claude-fable-5-2",
        display_name: "Claude Fable 5.2",
        created: "2026-11-09",
        ..FABLE
    },
    Model {
        id: "claude-mythos-5-2",
        display_name: "Claude Mythos 5.2",
        created: "2026-11-09",
        ..FABLE
    },
    Model {
        id: "claude-haiku-5-5",
        display_name: "Claude Haiku 5.5",
        created: "2026-10-07",
        class: "haiku-5-5",
        system_turns: false,
        ..CURRENT
    },
    Model {
        id: "claude-sonnet-5-5",
        display_name: "Claude Sonnet 5.5",
        created: "2026-09-28",
        class: "sonnet-5-5",
        forced_tools: false,
        ..SONNET
    },
    Model {
        id: "claude-opus-5-5",
        display_name: "Claude Opus 5.5",
        created: "2026-09-22",
        class: "opus-5-5",
        thinking: Thinking::Always,
        forced_tools: false,
        ..CURRENT
    },
    Model {
        id: "claude-fable-5-1",
        display_name: "Claude Fable 5.1",
        created: "2026-09-01",
        ..FABLE
    },
    Model {
        id: "claude-mythos-5-1",
        display_name: "Claude Mythos 5.1",
        created: "2026-09-01",
        ..FABLE
    },
    Model {
        id: "claude-opus-5",
        display_name: "Claude Opus 5",
        created: "2026-07-24",
        class: "opus-5",
        thinking: Thinking::AdaptiveByEffort,
        ..CURRENT
    },
    Model {
        id: "claude-sonnet-5",
        display_name: "Claude Sonnet 5",
        created: "2026-06-30",
        class: "sonnet-5",
        ..SONNET
    },
    Model {
        id: "claude-fable-5",
        display_name: "Claude Fable 5",
        created: "2026-06-09",
        forced_tools: true,
        ..FABLE
    },
    Model {
        id: "claude-mythos-5",
        display_name: "Claude Mythos 5",
        created: "2026-06-09",
        forced_tools: true,
        ..FABLE
    },
    Model {
        id: "claude-opus-4-8",
        display_name: "Claude Opus 4.8",
        created: "2026-05-28",
        cache_minimum: 1_024,
        system_turns: true,
        ..OPUS_4
    },
    Model {
        id: "claude-opus-4-7",
        display_name: "Claude Opus 4.7",
        created: "2026-04-16",
        cache_minimum: 2_048,
        ..OPUS_4
    },
    Model {
        id: "claude-sonnet-4-6",
        display_name: "Claude Sonnet 4.6",
        created: "2026-02-17",
        class: "sonnet-4",
        thinking: Thinking::Any,
        sampling: Sampling::Free,
        thinks_unasked: false,
        ..SONNET
    },
    Model {
        id: "claude-opus-4-6",
        display_name: "Claude Opus 4.6",
        created: "2026-02-05",
        cache_minimum: 4_096,
        thinking: Thinking::Any,
        sampling: Sampling::Free,
        ..OPUS_4
    },
    Model {
        id: "claude-opus-4-5-20251101",
        alias: Some("claude-opus-4-5"),
        display_name: "Claude Opus 4.5",
        created: "2025-11-01",
        class: "opus-4",
        sampling: Sampling::Free,
        ..OLDER
    },
    Model {
        id: "claude-haiku-4-5-20251001",
        alias: Some("claude-haiku-4-5"),
        display_name: "Claude Haiku 4.5",
        created: "2025-10-01",
        class: "haiku-4-5",
        ..OLDER
    },
    Model {
        id: "claude-sonnet-4-5-20250929",
        alias: Some("claude-sonnet-4-5"),
        display_name: "Claude Sonnet 4.5",
        created: "2025-09-29",
        class: "sonnet-4",
        cache_minimum: 1_024,
        ..OLDER
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_finds_the_dated_model() {
        let model = find("claude-haiku-4-5").unwrap();
        assert_eq!(model.id, "claude-haiku-4-5-20251001");
        assert!(find("claude-3-haiku-20240307").is_none());
    }

    #[test]
    fn every_row_is_complete() {
        for model in all() {
            assert!(model.id.starts_with("claude-"), "{model:?}");
            assert!(!model.class.is_empty(), "{model:?}");
            assert!(!model.display_name.is_empty(), "{model:?}");
            assert_eq!(model.created.len(), 10, "{model:?}");
        }
    }
}

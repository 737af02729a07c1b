//! The names that gateways and clouds give to Claude's models, read as what they mean.
//!
//! A model has one id at the API, and many elsewhere: `anthropic/claude-haiku-4.5`,
//! `us.anthropic.claude-haiku-4-5-20251001-v1:0`, `claude-haiku-4-5@20251001`. They are built of few
//! parts, which stand in the tables below: who serves it, where, the family and version, the day of
//! the snapshot, and how it is to answer. A name of which any part is not understood means nothing
//! here. So no model is ever taken for another one, and a service that sells at prices of its own is
//! not taken for one that sells at the list's.
//!
//! Sources: the model pages of Anthropic, AWS and Google; the lists of `OpenRouter`, Vercel and
//! `LiteLLM`, as of 2026-11.

/// Who may stand before a model's name, with a slash after it: services that sell at list prices, and
/// the words by which their ways are told apart.
const ROUTES: [&str; 27] = [
    "anthropic",
    "claude",
    "bedrock",
    "bedrock_converse",
    "bedrock_mantle",
    "bedrock-mantle",
    "amazon-bedrock",
    "amazon_bedrock",
    "converse",
    "converse_like",
    "invoke",
    "vertex",
    "vertex_ai",
    "vertex-ai",
    "vertexai",
    "google-vertex",
    "google-vertex-anthropic",
    "azure",
    "azure_ai",
    "foundry",
    "microsoft-foundry",
    "openrouter",
    "vercel",
    "vercel_ai_gateway",
    "litellm",
    "litellm_proxy",
    "litellm-proxy",
];
/// Bedrock's inference profiles, and whether the requests of each stay in one part of the world.
const PROFILES: [(&str, bool); 6] = [
    ("global", false),
    ("us", true),
    ("eu", true),
    ("apac", true),
    ("jp", true),
    ("au", true),
];
/// Bedrock's word for the maker. Without a profile before it a request stays in its region.
const MAKER: &str = "anthropic.";
/// What may stand after a colon: `OpenRouter`'s variants, none of which has a price of its own.
/// `online` has one (its searches), and is not here.
const VARIANTS: [&str; 6] = [
    "thinking",
    "beta",
    "self-moderated",
    "nitro",
    "floor",
    "exacto",
];
/// Words at the end of a name that say nothing of the model.
const TAILS: [&str; 2] = ["-latest", "-thinking"];
/// How an ARN of Bedrock begins; the kinds of it that name a model.
const ARN: &str = "arn:aws:bedrock:";
const ARN_KINDS: [&str; 2] = ["inference-profile", "foundation-model"];
/// Digits of the day of a snapshot.
const DATE_DIGITS: usize = 8;

/// What a name of a Claude model says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spelling {
    /// The model's own name in it: `claude-haiku-4.5`.
    pub(super) name: String,
    /// It says that its requests stay in one region or part of the world, which is dearer.
    pub(super) is_regional: bool,
}

/// The parts of a model's own name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    family: String,
    version: (u8, u8),
    date: Option<String>,
}

impl Shape {
    /// Whether both are the same model, perhaps of another day.
    pub(super) fn is_same_model(&self, other: &Self) -> bool {
        self.family == other.family && self.version == other.version
    }

    /// Whether both name the same day.
    pub(super) fn is_same_day(&self, other: &Self) -> bool {
        self.date.is_some() && self.date == other.date
    }

    /// The id of the API, without a day. Before version 4 the version came before the family.
    pub(super) fn id(&self) -> String {
        let (major, minor) = self.version;
        let version = match minor {
            0 => major.to_string(),
            _ => format!("{major}-{minor}"),
        };
        match major {
            // Claude 3 and before have the version first.
            0..4 => format!("claude-{version}-{}", self.family),
            _ => format!("claude-{}-{version}", self.family),
        }
    }
}

/// Reads a name as a gateway or a cloud writes it. None if a part of it is not understood.
pub(super) fn read(name: &str) -> Option<Spelling> {
    let name = name.trim().to_ascii_lowercase();
    let (name, mut is_regional) = without_place(&name)?;
    let (name, profile) = without_profile(name)?;
    is_regional |= profile;
    // From the outside in: each form wraps the one before.
    let name = without_variants(name)?;
    let name = without_day_of_vertex(name)?;
    let name = without_version_of_bedrock(&name);
    let tail = TAILS.iter().find_map(|tail| name.strip_suffix(tail));
    Some(Spelling {
        name: tail.unwrap_or(name).to_owned(),
        is_regional,
    })
}

/// The name after an ARN, a path of Vertex, or the routes before it; and whether they say a region.
fn without_place(name: &str) -> Option<(&str, bool)> {
    if let Some(arn) = name.strip_prefix(ARN) {
        let (place, name) = arn.rsplit_once('/')?;
        let kind = place.rsplit(':').next()?;
        return ARN_KINDS.contains(&kind).then_some((name, false));
    }
    let (mut places, name) = match name.rsplit_once('/') {
        Some((places, name)) => (places.split('/').peekable(), name),
        None => return Some((name, false)),
    };
    let mut is_regional = false;
    while let Some(place) = places.next() {
        match place {
            "projects" => drop(places.next()?),
            "locations" => is_regional |= places.next()? != "global",
            "publishers" if places.next()? == "anthropic" && places.next()? == "models" => {}
            _ if is_region(place) => is_regional = true,
            _ if ROUTES.contains(&place) => {}
            // A part that is not understood may name another model, and a wrong price is worse than
            // none.
            _ => return None,
        }
    }
    Some((name, is_regional))
}

/// `us-east-1`, as `LiteLLM` writes it after `bedrock/`.
fn is_region(place: &str) -> bool {
    let parts: Vec<_> = place.split('-').collect();
    matches!(parts[..], [continent, side, number]
        if continent.len() == 2 && side.len() >= 4 && is_number(number, 1..=1))
}

/// Bedrock's form: a profile perhaps, the maker, the model.
fn without_profile(name: &str) -> Option<(&str, bool)> {
    let Some((before, model)) = name.split_once(MAKER) else {
        return Some((name, false));
    };
    let is_regional = match before.strip_suffix('.') {
        // `anthropic.claude-...` without a profile is answered in the region that was asked.
        None if before.is_empty() => true,
        None => return None,
        Some(profile) => PROFILES.iter().find(|(known, _)| *known == profile)?.1,
    };
    Some((model, is_regional))
}

/// Behind colons: Bedrock's numbers (`v1:0`, `v1:0:200k`) and the variants.
fn without_variants(name: &str) -> Option<&str> {
    let mut parts = name.split(':');
    let name = parts.next()?;
    let is_known = |part: &str| {
        VARIANTS.contains(&part)
            || is_number(part, 1..=2)
            || part.strip_suffix('k').is_some_and(|k| is_number(k, 1..=3))
    };
    parts.all(is_known).then_some(name)
}

/// Vertex writes the day, or what stands for the newest, after an `@`.
fn without_day_of_vertex(name: &str) -> Option<String> {
    match name.split_once('@') {
        None => Some(name.to_owned()),
        Some((name, "default" | "latest")) => Some(name.to_owned()),
        Some((name, day)) if is_number(day, DATE_DIGITS..=DATE_DIGITS) => {
            Some(format!("{name}-{day}"))
        }
        Some(_) => None,
    }
}

fn without_version_of_bedrock(name: &str) -> &str {
    match name.rsplit_once("-v") {
        Some((name, version)) if is_number(version, 1..=1) => name,
        _ => name,
    }
}

/// Takes a model's own name apart: family and version in either order, and perhaps a day after them.
pub(super) fn shape(name: &str) -> Option<Shape> {
    let name = name.to_ascii_lowercase();
    let mut parts: Vec<_> = name.split(['-', '_', '.', ' ']).collect();
    // Prices are known of no other maker.
    if parts.first() != Some(&"claude") {
        return None;
    }
    parts.remove(0);
    let date = parts
        .pop_if(|last| is_number(last, DATE_DIGITS..=DATE_DIGITS))
        .map(str::to_owned);
    let is_word = |part: &&str| part.len() > 1 && part.bytes().all(|b| b.is_ascii_lowercase());
    // The family is the one word: first in new names, last in old ones.
    let family = match (parts.first(), parts.last()) {
        (Some(first), _) if is_word(first) => parts.remove(0),
        (_, Some(last)) if is_word(last) => parts.pop()?,
        _ => return None,
    };
    let part = |text: &&str| {
        let is_version = is_number(text, 1..=2);
        text.parse().ok().filter(|_| is_version)
    };
    let version = match &parts[..] {
        [major] => (part(major)?, 0),
        [major, minor] => (part(major)?, part(minor)?),
        _ => return None,
    };
    Some(Shape {
        family: family.to_owned(),
        version,
        date,
    })
}

fn is_number(text: &str, digits: std::ops::RangeInclusive<usize>) -> bool {
    digits.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::{read, shape};

    /// The id that a spelling means, and whether it says that the request stays in a region.
    fn meant(name: &str) -> Option<(String, bool)> {
        let read = read(name)?;
        Some((shape(&read.name)?.id(), read.is_regional))
    }

    /// Spellings, the id that each means, and whether it names a region.
    const MEANT: &[(&str, &str, bool)] = &[
        ("claude-haiku-4-5", "claude-haiku-4-5", false),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5", false),
        ("claude-haiku-4.5", "claude-haiku-4-5", false),
        ("claude-4.5-haiku", "claude-haiku-4-5", false),
        ("claude-haiku-4-5-latest", "claude-haiku-4-5", false),
        ("Claude Haiku 4.5", "claude-haiku-4-5", false),
        ("claude-4-sonnet-20250522", "claude-sonnet-4", false),
        ("claude-opus-4-0", "claude-opus-4", false),
        ("claude-3-haiku", "claude-3-haiku", false),
        ("claude-3.5-haiku", "claude-3-5-haiku", false),
        ("claude-opus-5", "claude-opus-5", false),
        ("anthropic/claude-haiku-4.5", "claude-haiku-4-5", false),
        (
            "anthropic/claude-4.5-haiku-20251001",
            "claude-haiku-4-5",
            false,
        ),
        (
            "anthropic/claude-sonnet-4.6:beta",
            "claude-sonnet-4-6",
            false,
        ),
        (
            "anthropic/claude-3.7-sonnet:thinking",
            "claude-3-7-sonnet",
            false,
        ),
        (
            "openrouter/anthropic/claude-opus-4.5:nitro",
            "claude-opus-4-5",
            false,
        ),
        (
            "vercel_ai_gateway/anthropic/claude-opus-4.6",
            "claude-opus-4-6",
            false,
        ),
        ("litellm_proxy/claude-sonnet-5", "claude-sonnet-5", false),
        ("azure_ai/claude-sonnet-5-5", "claude-sonnet-5-5", false),
        ("claude-sonnet-4-5-thinking", "claude-sonnet-4-5", false),
        ("claude-haiku-4-5@20251001", "claude-haiku-4-5", false),
        ("claude-opus-4-6@default", "claude-opus-4-6", false),
        (
            "vertex_ai/claude-sonnet-4-5@20250929",
            "claude-sonnet-4-5",
            false,
        ),
        (
            "publishers/anthropic/models/claude-opus-5-5",
            "claude-opus-5-5",
            false,
        ),
        (
            "projects/p-1/locations/global/publishers/anthropic/models/claude-haiku-4-5@20251001",
            "claude-haiku-4-5",
            false,
        ),
        (
            "projects/p-1/locations/us-east5/publishers/anthropic/models/claude-haiku-4-5@20251001",
            "claude-haiku-4-5",
            true,
        ),
        (
            "anthropic.claude-haiku-4-5-20251001-v1:0",
            "claude-haiku-4-5",
            true,
        ),
        ("anthropic.claude-haiku-4-5", "claude-haiku-4-5", true),
        (
            "global.anthropic.claude-haiku-4-5-20251001-v1:0",
            "claude-haiku-4-5",
            false,
        ),
        (
            "us.anthropic.claude-haiku-4-5-20251001-v1:0",
            "claude-haiku-4-5",
            true,
        ),
        ("eu.anthropic.claude-opus-4-6-v1", "claude-opus-4-6", true),
        (
            "apac.anthropic.claude-opus-4-6-v1:0",
            "claude-opus-4-6",
            true,
        ),
        (
            "jp.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "claude-sonnet-4-5",
            true,
        ),
        ("au.anthropic.claude-sonnet-4-6", "claude-sonnet-4-6", true),
        (
            "anthropic.claude-3-haiku-20240307-v1:0:200k",
            "claude-3-haiku",
            true,
        ),
        (
            "bedrock/us.anthropic.claude-opus-5-5",
            "claude-opus-5-5",
            true,
        ),
        (
            "bedrock/converse/global.anthropic.claude-opus-5",
            "claude-opus-5",
            false,
        ),
        (
            "bedrock/us-east-1/anthropic.claude-3-haiku-20240307-v1:0",
            "claude-3-haiku",
            true,
        ),
        (
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-haiku-4-5-20251001-v1:0",
            "claude-haiku-4-5",
            true,
        ),
        (
            "bedrock/global.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "claude-sonnet-4-5",
            false,
        ),
        (
            "arn:aws:bedrock:eu-west-1::foundation-model/anthropic.claude-opus-4-5-20251101-v1:0",
            "claude-opus-4-5",
            true,
        ),
    ];

    #[test]
    fn a_spelling_means_its_model() {
        for &(name, id, is_regional) in MEANT {
            assert_eq!(meant(name), Some((id.to_owned(), is_regional)), "{name}");
        }
    }

    #[test]
    fn what_is_not_understood_in_every_part_means_nothing() {
        for name in [
            "",
            "claude",
            "haiku-4-5",
            "claude-haiku",
            "claude-haiku-latest",
            "anthropic/claude-haiku-latest",
            "~anthropic/claude-sonnet-latest",
            "claude-4-5",
            "claude-3-haiku-5",
            "claude-haiku-4-5-6",
            "claude-haiku-4-5-mini",
            "claude-haiku-mini-4-5",
            "my-claude-haiku-4-5",
            "claude-haiku-4-5-2025",
            "claude-haiku-4-5-finetuned-20251001",
            "claude-haiku-145",
            "claude-mythos-preview",
            "claude-haiku-4-5[1m]",
            "claude-haiku-4-5@us-east5",
            "claude-haiku-4-5:online",
            "claude-haiku-4-5:free",
            "somebody/claude-haiku-4-5",
            "databricks-claude-haiku-4-5",
            "github_copilot/claude-haiku-4.5",
            "xx.anthropic.claude-haiku-4-5",
            "us-gov.anthropic.claude-haiku-4-5",
            "notanthropic.claude-haiku-4-5",
            "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123",
            "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/claude-haiku-4-5",
            "publishers/google/models/claude-haiku-4-5",
            "gpt-4.1",
        ] {
            assert_eq!(meant(name), None, "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_breaks_the_reader(name in ".{0,80}") {
            let _ = meant(&name);
        }
    }
}

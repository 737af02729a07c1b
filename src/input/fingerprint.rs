//! Recognises the same work submitted again.

use super::body_builder::DEFAULT_MAX_TOKENS;
use crate::model::Shaping;

/// Parts these hashes from all other uses of blake3; the number goes up when the recipe changes.
const CONTEXT: &str = "claude-run 2026-11-22 run fingerprint 1";

/// The hash by which a second submit of the same content with the same request-shaping settings is
/// recognised. The path, the packing and the dispatch options do not matter; a `--max-tokens` that
/// only says the default does not either.
#[must_use]
pub fn fingerprint(content_hash: &[u8; 32], shaping: &Shaping) -> [u8; 32] {
    let Shaping {
        model,
        max_tokens,
        system,
        temperature,
        skip_invalid,
    } = shaping;
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    hasher.update(content_hash);
    text(&mut hasher, model.as_deref());
    text(&mut hasher, system.as_deref());
    hasher.update(&max_tokens.unwrap_or(DEFAULT_MAX_TOKENS).to_le_bytes());
    hasher.update(&[u8::from(temperature.is_some()), u8::from(*skip_invalid)]);
    hasher.update(&temperature.unwrap_or_default().to_bits().to_le_bytes());
    *hasher.finalize().as_bytes()
}

/// An optional text, so that no two sequences of texts give the same bytes.
fn text(hasher: &mut blake3::Hasher, text: Option<&str>) {
    // An empty text is another shaping than none.
    hasher.update(&[u8::from(text.is_some())]);
    let text = text.unwrap_or_default();
    // Without its length two texts could change places with one hash.
    hasher.update(&(text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::fingerprint;
    use crate::model::Shaping;

    #[test]
    fn whatever_shapes_a_request_changes_the_fingerprint() {
        let text = |text: &str| Some(text.to_owned());
        let shapings = [
            Shaping::default(),
            Shaping {
                model: text("m"),
                ..Shaping::default()
            },
            Shaping {
                model: text("n"),
                ..Shaping::default()
            },
            Shaping {
                model: text(""),
                ..Shaping::default()
            },
            Shaping {
                system: text("m"),
                ..Shaping::default()
            },
            Shaping {
                model: text("m"),
                system: text("m"),
                ..Shaping::default()
            },
            Shaping {
                max_tokens: Some(0),
                ..Shaping::default()
            },
            Shaping {
                temperature: Some(0.0),
                ..Shaping::default()
            },
            Shaping {
                temperature: Some(0.5),
                ..Shaping::default()
            },
            Shaping {
                skip_invalid: true,
                ..Shaping::default()
            },
        ];
        let seen: HashSet<_> = shapings
            .iter()
            .flat_map(|shaping| [[0; 32], [1; 32]].map(|hash| fingerprint(&hash, shaping)))
            .collect();
        assert_eq!(seen.len(), 2 * shapings.len());
    }

    #[test]
    fn saying_the_default_changes_nothing() {
        let said = Shaping {
            max_tokens: Some(4096),
            ..Shaping::default()
        };
        assert_eq!(
            fingerprint(&[7; 32], &said),
            fingerprint(&[7; 32], &Shaping::default())
        );
    }
}

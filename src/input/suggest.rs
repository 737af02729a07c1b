//! Finds the word that somebody most likely meant.

/// Longer words are no misspelling of any key; comparing them would only cost time.
const MAX_CHARS: usize = 40;

/// The one of `known` that is closest to `word`, if it is close: at most a third of its letters
/// would have to change. Case, and hyphens or spaces for underscores, do not count.
pub(super) fn closest(word: &str, known: &[&'static str]) -> Option<&'static str> {
    // A text in the place of a key is no slip of the finger, and would take long to compare.
    if word.chars().nth(MAX_CHARS).is_some() {
        return None;
    }
    let word: Vec<char> = word
        .to_lowercase()
        .replace(['-', ' ', '.'], "_")
        .chars()
        .collect();
    known
        .iter()
        .map(|known| (distance(&word, known), *known))
        // A third of the letters, three at most: farther words are another word.
        .filter(|(distance, known)| *distance <= known.len().div_ceil(3).min(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// Levenshtein's distance: insertions, deletions and replacements of one letter.
fn distance(word: &[char], known: &str) -> usize {
    let mut row: Vec<usize> = (0..=word.len()).collect();
    for (i, letter) in known.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in word.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[word.len()]
}

#[cfg(test)]
mod tests {
    use super::closest;

    const KNOWN: [&str; 5] = ["custom_id", "max_tokens", "prompt", "lane", "model"];

    #[test]
    fn a_near_word_is_found() {
        for (word, meant) in [
            ("max_token", "max_tokens"),
            ("maxTokens", "max_tokens"),
            ("Custom-ID", "custom_id"),
            ("customid", "custom_id"),
            ("promt", "prompt"),
            ("Lane", "lane"),
            ("modle", "model"),
        ] {
            assert_eq!(closest(word, &KNOWN), Some(meant), "{word}");
        }
    }

    #[test]
    fn a_far_word_is_not() {
        for word in ["", "id", "url", "temperature_of_it", &"x".repeat(5_000)] {
            assert_eq!(closest(word, &KNOWN), None, "{word}");
        }
    }
}

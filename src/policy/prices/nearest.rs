//! Which known names a misspelt model may have meant.

/// More letters wrong than this is another name, not a slip.
const MOST_EDITS: usize = 3;
/// A suggestion may be this much farther off than the best one.
const BEHIND_THE_BEST: usize = 1;
/// Names to suggest at most.
const MOST_NAMES: usize = 3;
/// No model's name is longer; the comparison takes time by the product of the lengths.
const LONGEST_NAME: usize = 100;

/// The known names nearest to `name`, the nearest first.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    if name.len() > LONGEST_NAME {
        return Vec::new();
    }
    let written = api_form(name);
    let mut found: Vec<_> = known
        .map(|known| (distance(&written, known), known))
        .filter(|(edits, _)| *edits <= MOST_EDITS)
        .collect();
    found.sort_unstable();
    let best = found.first().map_or(0, |(edits, _)| *edits);
    found
        .into_iter()
        .take_while(|(edits, _)| *edits <= best + BEHIND_THE_BEST)
        .take(MOST_NAMES)
        .map(|(_, known)| known)
        .collect()
}

/// The name as the API would spell it: `anthropic/Claude-Opus-4.5` and `opus-4-5` are how other
/// services and people call `claude-opus-4-5`.
fn api_form(name: &str) -> String {
    let name = name
        .trim()
        .to_lowercase()
        .replace(['.', ' ', '_', '/'], "-");
    let name = name.trim_start_matches("anthropic-");
    if name.starts_with("cl") {
        name.to_owned()
    } else {
        format!("claude-{name}")
    }
}

/// How many letters must be put in, taken out or changed (Levenshtein's distance).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (row, from) in a.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, to) in b.iter().enumerate() {
            let changed = above[column] + usize::from(from != *to);
            let shifted = above[column + 1].min(current[column]) + 1;
            current.push(changed.min(shifted));
        }
        above = current;
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    const KNOWN: [&str; 5] = [
        "claude-opus-5",
        "claude-opus-5-5",
        "claude-sonnet-5",
        "claude-haiku-4-5",
        "claude-haiku-5-5",
    ];

    #[test]
    fn distance_counts_letters() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("opus", "opus", 0),
            ("opsu", "opus", 2),
            ("größe", "grösse", 2),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn slips_find_the_model() {
        for (written, meant) in [
            ("claude-opus-5", "claude-opus-5"),
            ("claude-sonet-5", "claude-sonnet-5"),
            ("Claude Opus 5.5", "claude-opus-5-5"),
            ("anthropic/claude-haiku-4.5", "claude-haiku-4-5"),
            ("opus-5", "claude-opus-5"),
            ("cluade-sonnet-5", "claude-sonnet-5"),
        ] {
            let found = nearest(written, KNOWN.into_iter());
            assert_eq!(found.first(), Some(&meant), "{written}: {found:?}");
        }
    }

    #[test]
    fn names_equally_near_are_all_given() {
        let found = nearest("claude-haiku-6-5", KNOWN.into_iter());
        assert_eq!(found, ["claude-haiku-4-5", "claude-haiku-5-5"]);
    }

    #[test]
    fn another_name_finds_nothing() {
        for written in ["gpt-4", "", "claude", &"claude-opus-5".repeat(1_000)] {
            assert_eq!(nearest(written, KNOWN.into_iter()), [""; 0], "{written}");
        }
    }
}

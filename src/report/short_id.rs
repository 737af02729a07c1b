//! Ids as short as they can be and still mean one thing.
//!
//! Ids begin with the time at which they were made, so those of one day begin alike; their ends are
//! random. So the end is what is shown, and what is taken wherever an id is.

/// Fewer characters could be the end of another id tomorrow, and look like a number or a word.
const SHORTEST: usize = 6;

/// Fewer characters of an end are taken for a mistake rather than for an id.
const SHORTEST_TAKEN: usize = 4;

/// Whether somebody who wrote `part` may mean this id: all of it, its beginning, or its end.
#[must_use]
pub fn may_mean(part: &str, id: &str) -> bool {
    let is_end = part.len() >= SHORTEST_TAKEN && id.ends_with(part);
    !part.is_empty() && (id.starts_with(part) || is_end)
}

/// The shortest end of each id that means it alone among all of them, and is none of `taken` (names
/// go before ids).
#[must_use]
pub fn short_ids(ids: &[&str], taken: &[&str]) -> Vec<String> {
    ids.iter()
        .map(|id| {
            let is_ours = |part: &&str| {
                let meant = ids.iter().filter(|other| may_mean(part, other));
                meant.count() == 1 && !taken.contains(part)
            };
            let ends = (SHORTEST..id.len()).filter_map(|n| id.get(id.len() - n..));
            // A hyphen at the beginning would be read as a flag.
            let mut ends = ends.filter(|end| !end.starts_with('-'));
            ends.find(is_ours).unwrap_or(id).to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{may_mean, short_ids};

    #[test]
    fn an_id_is_meant_by_its_beginning_and_by_its_end() {
        let id = "01a202b0-d34e-755c-ad48-4e0b45222599";
        for part in [id, "0", "01a202b0", "2599", "45222599", "4e0b45222599"] {
            assert!(may_mean(part, id), "{part}");
        }
        for part in ["", "9", "599", "d34e", "45222598"] {
            assert!(!may_mean(part, id), "{part}");
        }
    }

    #[test]
    fn the_end_is_as_long_as_it_takes() {
        let ids = [
            "01a202b0-d34e-755c-ad48-4e0b45222599",
            "01a202b0-d34e-755c-ad48-4e0b4a222599",
            "01a202b0-d34e-755c-ad48-000000abcdef",
            "22259900-0000-7000-8000-000000111111",
            "short",
        ];
        let expected = ["5222599", "a222599", "0abcdef", "111111", "short"];
        assert_eq!(short_ids(&ids, &["abcdef"]), expected);
        assert_eq!(short_ids(&["a-b-c-d-e-f"], &[]), ["c-d-e-f"]);
        assert_eq!(short_ids(&["same", "same"], &[]), ["same", "same"]);
    }
}

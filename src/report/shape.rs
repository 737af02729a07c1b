//! Small pieces that several of the public shapes share: times in RFC 3339 with milliseconds, in
//! UTC, and durations in whole milliseconds.

use std::time::Duration;

use jiff::Timestamp;

/// `2026-03-01T12:00:00.250Z`. Always three decimals, so that text sorts by time.
pub(super) fn rfc3339(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// Whole milliseconds.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// For `#[serde(with)]` on a time.
pub(super) mod time {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::report) fn serialize<S: Serializer>(
        at: &Timestamp,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::rfc3339(*at))
    }

    pub(in crate::report) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Timestamp, D::Error> {
        Timestamp::deserialize(deserializer)
    }
}

/// For `#[serde(with)]` on a time that may be missing.
pub(super) mod optional_time {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(
        clippy::ref_option,
        reason = "the signature that serde's `with` asks for"
    )]
    pub(in crate::report) fn serialize<S: Serializer>(
        at: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => serializer.serialize_some(&super::rfc3339(*at)),
            None => serializer.serialize_none(),
        }
    }

    pub(in crate::report) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        Option::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn times_have_three_decimals_in_utc() {
        for (text, shown) in [
            ("2026-03-01T12:00:00Z", "2026-03-01T12:00:00.000Z"),
            ("2026-03-01T12:00:00.25+01:00", "2026-03-01T11:00:00.250Z"),
        ] {
            assert_eq!(rfc3339(text.parse().unwrap()), shown);
        }
    }
}

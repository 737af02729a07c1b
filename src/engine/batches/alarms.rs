//! Answers of the Batches API that no batch can get past, and when they are believed. One of them may
//! pass, or be about the one batch: where calls have gone well it is tried again, and the run halts
//! when several in a row say so.

/// So many in a row are believed where calls have gone well.
const BELIEVED_AFTER: u32 = 3;

/// What the calls have come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Alarms {
    in_row: u32,
    went_well: bool,
}

impl Alarms {
    /// A call went well.
    pub(super) fn calmed(&mut self) {
        *self = Self {
            in_row: 0,
            went_well: true,
        };
    }

    /// A call of another kind went well: somebody answers, but it says nothing of what was refused.
    pub(super) fn heard_otherwise(&mut self) {
        self.went_well = true;
    }

    /// Calls have gone well lately.
    pub(super) fn is_calm(self) -> bool {
        self.went_well
    }

    /// A call was refused for what concerns all. Whether that is believed.
    pub(super) fn raised(&mut self) -> bool {
        self.in_row += 1;
        let believed = !self.went_well || self.in_row >= BELIEVED_AFTER;
        if believed {
            *self = Self::default();
        }
        believed
    }
}

#[cfg(test)]
mod tests {
    use super::Alarms;

    #[test]
    fn one_alarm_is_enough_where_nothing_went_well_and_three_in_a_row_where_something_did() {
        let mut alarms = Alarms::default();
        assert!(alarms.raised());
        alarms.calmed();
        assert_eq!([(); 3].map(|()| alarms.raised()), [false, false, true]);
        assert!(alarms.raised(), "after a halt one is enough");
        alarms.calmed();
        assert_eq!([(); 2].map(|()| alarms.raised()), [false; 2]);
        alarms.calmed();
        assert!(!alarms.raised(), "what went well between ends the row");
    }

    #[test]
    fn what_goes_well_of_another_kind_ends_no_row() {
        let mut alarms = Alarms::default();
        let mut told = Vec::new();
        for _ in 0..3 {
            alarms.heard_otherwise();
            told.push(alarms.raised());
        }
        assert_eq!(told, [false, false, true]);
    }
}

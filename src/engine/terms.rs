//! What the bound of a request's cost rests on besides the request.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::{Lane, Pico, RequestBody, SharedPrefix};
use crate::policy::{Bounds, Keep, Marker, PriceTable, at_most};

/// What the bound of a request's cost rests on besides itself.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// What things cost.
    pub prices: &'a PriceTable,
    /// What is marked for the cache when a stored request is sent.
    pub prefixes: &'a [SharedPrefix],
    /// Searches that a request is taken to make where its search tool names no bound.
    pub assume_searches: Option<u32>,
    /// The second endpoint's names for models, if there is one: what was sent live may have gone
    /// there.
    pub others: Option<&'a BTreeMap<String, String>>,
}

impl Terms<'_> {
    /// The most that a request can cost, as the store keeps it. None if nothing bounds it.
    pub(super) fn at_most(
        &self,
        model: &str,
        body: &RequestBody,
        (lane, at): (Lane, Timestamp),
    ) -> Option<Pico> {
        let marker = Marker::new(self.prefixes);
        let keep = match lane {
            Lane::Live => Keep::FiveMinutes,
            Lane::Batch => Keep::OneHour,
        };
        let as_sent = (!marker.is_idle()).then(|| marker.marked(body, keep));
        let bounds = Bounds::read(as_sent.as_ref().unwrap_or(body));
        at_most(
            self.prices,
            model,
            &bounds,
            (lane, at),
            self.assume_searches,
        )
        .ok()
    }
}

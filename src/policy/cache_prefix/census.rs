//! Counts requests by the prefixes that they share, and chooses the ones that pay.
//!
//! Prefixes form a tree: a longer one begins with a shorter one. A request gets one mark, so for
//! every branch the better of two is taken: all its requests marked where it begins, or each at the
//! best of its longer prefixes. What is counted is money: a prefix of `n` requests is written
//! once and read `n - 1` times.

use std::collections::HashMap;

use jiff::Timestamp;

use super::places::{Count, places};
use crate::model::{JobId, JsonView, Pico, SharedPrefix};
use crate::policy::estimate::{Estimator, Prompt};
use crate::policy::prices::{PriceTable, TokenPrices};

/// Two requests that share a prefix may be far apart, and the second find nothing in the cache;
/// from three on it hardly costs more than it saves.
const LEAST_JOBS: u64 = 3;
/// The least tokens that are cached of a model whose own minimum is not published: the largest of
/// those that are.
const LEAST_TOKENS: u64 = 4_096;
/// Prefixes that are remembered while they are counted, some 30 MB. Beyond it those that hardly
/// any request has are forgotten, and what comes late of them is missed.
const MAX_NODES: usize = 200_000;
/// Prefixes that are chosen, the best ones: they are kept with the run.
const MAX_CHOSEN: usize = 1_000;
/// Rows that are kept of each.
const FIRST: usize = 3;

/// What was counted of a run.
#[derive(Clone, Debug)]
pub struct Census {
    prices: PriceTable,
    at: Timestamp,
    nodes: HashMap<u64, Node>,
    models: Vec<String>,
}

#[derive(Clone, Debug)]
struct Node {
    parent: Option<u64>,
    depth: usize,
    model: usize,
    tokens: f64,
    jobs: u64,
    first: [i64; FIRST],
}

/// What a node is worth.
#[derive(Clone, Copy, Debug)]
struct Worth {
    /// What one request saves that reads it.
    read: i128,
    /// What all requests below save, each marked where it is best.
    best: i128,
    /// Some of them are marked here for that.
    is_chosen: bool,
}

impl Census {
    /// Of nothing yet, at the prices of that time.
    #[must_use]
    pub fn new(prices: PriceTable, at: Timestamp) -> Self {
        Self {
            prices,
            at,
            nodes: HashMap::new(),
            models: Vec::new(),
        }
    }

    /// One more request.
    pub fn add(&mut self, job: JobId, model: &str, body: &JsonView<'_>) {
        let model = self.model(model);
        let mut parent = None;
        for (depth, place) in places(body, Count::Tokens).into_iter().enumerate() {
            // The first request that has a prefix says what is before it: all that share the hash
            // share that, too.
            let node = self.nodes.entry(place.hash).or_insert_with(|| Node {
                parent,
                depth,
                model,
                tokens: place.tokens,
                jobs: 0,
                first: [0; FIRST],
            });
            if let Some(free) = usize::try_from(node.jobs).ok().filter(|n| *n < FIRST) {
                node.first[free] = job.0;
            }
            node.jobs += 1;
            parent = Some(place.hash);
        }
        self.make_room();
    }

    fn model(&mut self, model: &str) -> usize {
        let known = self.models.iter().position(|known| known == model);
        known.unwrap_or_else(|| {
            self.models.push(model.to_owned());
            self.models.len() - 1
        })
    }

    /// A longer prefix has no more requests than a shorter one, so no branch is cut in the middle.
    /// Half of the room is made at once, so that it is seldom done.
    fn make_room(&mut self) {
        // Checked after each request and not after each place: one adds at most 64.
        if self.nodes.len() <= MAX_NODES {
            return;
        }
        let mut few = 1;
        while self.nodes.len() > MAX_NODES / 2 {
            self.nodes.retain(|_, node| node.jobs > few);
            // Doubled, so that a run of only rare prefixes is through after a few passes.
            few *= 2;
        }
    }

    /// The prefixes that pay, those that save most first.
    #[must_use]
    pub fn choose(mut self) -> Vec<SharedPrefix> {
        // Rare prefixes can never pay, and most of the nodes are such.
        self.nodes.retain(|_, node| node.jobs >= LEAST_JOBS);
        let mut children: HashMap<Option<u64>, Vec<u64>> = HashMap::new();
        for (hash, node) in &self.nodes {
            children.entry(node.parent).or_default().push(*hash);
        }
        let worth = self.worth(&children);
        let mut chosen = Vec::new();
        for root in children.get(&None).into_iter().flatten() {
            self.pick(*root, 0, &children, &worth, &mut chosen);
        }
        // By hash where they save the same, so that two counts of one run choose alike.
        chosen.sort_by_key(|(saved, prefix)| (std::cmp::Reverse(*saved), prefix.hash));
        chosen.truncate(MAX_CHOSEN);
        chosen.into_iter().map(|(_, prefix)| prefix).collect()
    }

    /// From the longest prefixes to the shortest.
    fn worth(&self, children: &HashMap<Option<u64>, Vec<u64>>) -> HashMap<u64, Worth> {
        let mut order: Vec<_> = self.nodes.iter().collect();
        // The worth of a prefix is made of that of the longer ones, so these come first.
        order.sort_by_key(|(_, node)| std::cmp::Reverse(node.depth));
        let mut worth: HashMap<u64, Worth> = HashMap::new();
        for (hash, node) in order {
            let below = children.get(&Some(*hash)).into_iter().flatten();
            let below: Vec<_> = below
                .filter_map(|child| Some((self.nodes.get(child)?.jobs, worth.get(child)?.best)))
                .collect();
            let elsewhere = below.iter().map(|(_, best)| best).sum();
            let own = self.saved_by(node).map(|(read, surcharge)| {
                // Requests that have no longer prefix of their own are marked here or nowhere.
                let alone = node.jobs - below.iter().map(|(jobs, _)| jobs).sum::<u64>();
                let each = below
                    .iter()
                    // A branch may ignore this mark and take its own, where that saves more.
                    .map(|(jobs, best)| (*best).max(read * i128::from(*jobs)));
                (
                    read,
                    each.sum::<i128>() + read * i128::from(alone) - surcharge,
                )
            });
            let of_node = match own {
                // A tie goes to the longer prefixes, which leaves this one unwritten.
                Some((read, best)) if best > elsewhere => Worth {
                    read,
                    best,
                    is_chosen: true,
                },
                _ => Worth {
                    read: 0,
                    best: elsewhere,
                    is_chosen: false,
                },
            };
            worth.insert(*hash, of_node);
        }
        worth
    }

    /// Picks what is chosen at this prefix and below it, where each request would save `above`
    /// by a shorter one. Tells how many requests are marked here or below.
    fn pick(
        &self,
        hash: u64,
        above: i128,
        children: &HashMap<Option<u64>, Vec<u64>>,
        worth: &HashMap<u64, Worth>,
        chosen: &mut Vec<(i128, SharedPrefix)>,
    ) -> u64 {
        let (Some(node), Some(of_node)) = (self.nodes.get(&hash), worth.get(&hash)) else {
            return 0;
        };
        // The shorter prefix that is chosen already serves all of these as well.
        if of_node.best <= above * i128::from(node.jobs) {
            return 0;
        }
        let above = if of_node.is_chosen {
            of_node.read
        } else {
            above
        };
        let below = children.get(&Some(hash)).into_iter().flatten();
        let longer = below
            .map(|child| self.pick(*child, above, children, worth, chosen))
            .sum();
        if !of_node.is_chosen {
            return longer;
        }
        // A request gets one mark, and the longest prefix that is chosen has it.
        let jobs = node.jobs - longer;
        if jobs >= LEAST_JOBS {
            // Which of its first rows are marked further down is not known, so none is named then.
            let first = if longer == 0 { &node.first[..] } else { &[] };
            let prefix = SharedPrefix {
                hash,
                model: self.models[node.model].clone(),
                tokens: self.tokens(node),
                jobs,
                first: first.to_vec(),
            };
            chosen.push((of_node.read * i128::from(jobs), prefix));
        }
        node.jobs
    }

    fn tokens(&self, node: &Node) -> u64 {
        let prompt = Prompt {
            tokens: node.tokens,
            ..Prompt::default()
        };
        let model = &self.models[node.model];
        Estimator::default().estimate(model, &prompt).input
    }

    /// What one request saves that reads this prefix, and what the one that writes it pays more
    /// than if it read it; none if the API would not cache it, or its price is not known.
    fn saved_by(&self, node: &Node) -> Option<(i128, i128)> {
        let model = self.prices.model(&self.models[node.model])?;
        let tokens = self.tokens(node);
        // The API ignores a mark on less, without an error.
        if tokens < model.min_cacheable_tokens.unwrap_or(LEAST_TOKENS) {
            return None;
        }
        let prices = model.prices(self.at, tokens, false)?;
        let of_all = |price: Pico| price.0 * i128::from(tokens);
        let read = of_all(prices.input - prices.cache_read);
        let surcharge = of_all(prices.cache_write_5m - prices.cache_read);
        // A table may price a read like plain input; then there is nothing to gain.
        (read > 0).then_some((read, surcharge))
    }
}

/// Whether this many requests of a batch save more by reading an entry that is kept for an hour than
/// it costs to write it for them. The batch's discount is on both sides, so it does not matter.
#[must_use]
pub fn worth_warming(prices: &TokenPrices, jobs: u64) -> bool {
    let saved = (prices.input - prices.cache_read).0 * i128::from(jobs);
    jobs >= LEAST_JOBS && saved > (prices.cache_write_1h - prices.cache_read).0
}

//! The model's name: known, served, and spelt as this endpoint wants it.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::fault::{Faults, Rule, Step};
use super::rules::ModelRules;
use super::{Addressee, Reviewer};
use crate::model::{plural, shown};
use crate::policy::prices::{ModelPrices, ModelStatus};
use crate::policy::spelling;

/// A model that is retired within so many days is told: public models get as many of notice.
const SOON_DAYS: i64 = 60;
const PLACE: &[Step] = &[Step::Key("model")];

pub(super) fn look_over(
    preflight: &Reviewer,
    name: &str,
    rules: Option<&ModelRules>,
    sizes: Option<&ModelPrices>,
    faults: &mut Faults,
) {
    let Addressee { first_party, .. } = preflight.to;
    // Elsewhere models have names of their own, and may live longer.
    if !first_party {
        return;
    }
    let Some(sizes) = sizes else {
        // A name of another maker, or of a model of the user's own, is the user's to know.
        if name.starts_with("claude") || is_ours(name) {
            let near = preflight.prices.nearest_model_ids(name);
            let hint = match near.first() {
                Some(near) => format!(": did you mean {near}?"),
                None => {
                    ": `claude-run explain not_found_error` says how to list the models".to_owned()
                }
            };
            faults.at(
                Rule::UnknownModel,
                PLACE,
                format_args!(
                    "is `{}`, which is no model that is known{hint}",
                    shown(name)
                ),
            );
        }
        return;
    };
    if !preflight.prices.is_spelt_as_at_the_api(name) {
        faults.at(
            Rule::OtherPlatform,
            PLACE,
            format_args!(
                "is `{}`, as another platform spells it: here it is called {}",
                shown(name),
                sizes.id
            ),
        );
    }
    life(preflight, rules, sizes, faults);
}

/// A cloud's or a gateway's spelling of a model of this maker.
fn is_ours(name: &str) -> bool {
    spelling::read(name).is_some_and(|spelling| spelling::shape(&spelling.name).is_some())
}

fn life(
    preflight: &Reviewer,
    rules: Option<&ModelRules>,
    sizes: &ModelPrices,
    faults: &mut Faults,
) {
    let successor = rules.and_then(|rules| rules.successor.as_deref());
    let instead = match successor {
        Some(successor) => format!(": {successor} took over from it"),
        None => ": name another model".to_owned(),
    };
    let days = sizes.retires.map(|day| days_until(day, preflight.now));
    let is_over = sizes.status == ModelStatus::Retired || days.is_some_and(|days| days <= 0);
    if is_over {
        let since = sizes
            .retires
            .map_or(String::new(), |day| format!(" on {day}"));
        faults.at(
            Rule::RetiredModel,
            PLACE,
            format_args!("is {}, which was retired{since}{instead}", sizes.id),
        );
    } else if let Some(days) = days.filter(|days| *days <= SOON_DAYS) {
        let days = plural(days.unsigned_abs(), "day");
        faults.at(
            Rule::RetiringModel,
            PLACE,
            format_args!("is {}, which is retired in {days}{instead}", sizes.id),
        );
    }
}

fn days_until(day: jiff::civil::Date, now: Timestamp) -> i64 {
    let today = now.to_zoned(TimeZone::UTC).date();
    i64::from(day.since(today).map_or(0, |span| span.get_days()))
}

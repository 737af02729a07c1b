//! The text form of a price table, and the errors of reading one.

use std::collections::HashSet;
use std::ops::Range;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use toml::Spanned;
use toml::value::Datetime;

use super::decimal::{Decimal, Factor};
use super::table::{ModelPrices, ModelStatus, PriceTable, Rate, TokenPrices};
use crate::model::{Pico, toml_kinds};

/// Why a price table cannot be used, and where in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the price table {origin} cannot be used: line {line}, column {column}: {reason}. Correct it, or leave the table out to use the built-in prices"
)]
pub struct PriceError {
    /// The name of the table.
    pub origin: String,
    /// Line number, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TableFile {
    version: Spanned<String>,
    batch_factor: Option<Decimal>,
    us_geo_factor: Option<Decimal>,
    regional_factor: Option<Decimal>,
    web_search_usd_per_1000: Option<Decimal>,
    #[serde(default, rename = "model")]
    models: Vec<ModelFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelFile {
    id: Spanned<String>,
    #[serde(default)]
    aliases: Vec<Spanned<String>>,
    context_window: u64,
    max_output_tokens: u64,
    min_cacheable_tokens: Option<u64>,
    #[serde(default)]
    status: ModelStatus,
    retires: Option<Day>,
    retires_not_before: Option<Day>,
    #[serde(default = "yes")]
    regional_surcharge: bool,
    #[serde(rename = "price")]
    prices: Vec<RateFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RateFile {
    #[serde(default)]
    fast: bool,
    from: Option<Day>,
    prompt_over: Option<u64>,
    input: Decimal,
    output: Decimal,
    cache_write_5m: Decimal,
    cache_write_1h: Decimal,
    cache_read: Decimal,
}

/// What a model has that says nothing else.
fn yes() -> bool {
    true
}

/// A TOML date without a time.
#[derive(Clone, Copy)]
struct Day(Date);

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Datetime::deserialize(deserializer)?;
        let day = match (written.date, written.time) {
            (Some(date), None) => civil(date),
            _ => None,
        };
        day.map(Self)
            .ok_or_else(|| D::Error::custom(format!("`{written}` is no day: write 2026-10-07")))
    }
}

fn civil(date: toml::value::Date) -> Option<Date> {
    let year = i16::try_from(date.year).ok()?;
    let month = i8::try_from(date.month).ok()?;
    Date::new(year, month, i8::try_from(date.day).ok()?).ok()
}

/// What is wrong, and where: before lines are counted.
struct Fault {
    span: Range<usize>,
    reason: String,
}

impl PriceTable {
    /// Reads a table in the form of the embedded one. `origin` names it in errors. Factors and the
    /// web-search price may be left out, and then are unknown unless this table overrides another.
    ///
    /// # Errors
    ///
    /// Names the place of what is not TOML, missing, unknown, of the wrong kind or contradictory.
    pub fn parse(text: &str, origin: &str) -> Result<Self, PriceError> {
        toml::from_str(text)
            .map_err(|error| Fault {
                span: error.span().unwrap_or_default(),
                reason: in_plain_words(error.message()),
            })
            .and_then(table)
            .map_err(|fault| located(fault, text, origin))
    }
}

/// What the reader of TOML says, without names of Rust's.
fn in_plain_words(message: &str) -> String {
    let message = message.trim().replace('\n', "; ");
    if message.starts_with("string values must be quoted") {
        return "a value is missing here, or text stands without double quotes".to_owned();
    }
    if let Some(field) = message.strip_prefix("missing field ") {
        return format!("the key {field} is missing in what begins here");
    }
    if let Some(rest) = message.strip_prefix("unknown field ") {
        return format!(
            "unknown key {}",
            rest.replace(", expected one of ", ": here stand ")
        );
    }
    let Some(rest) = message.strip_prefix("invalid type: ") else {
        return message;
    };
    let (found, wanted) = rest
        .rsplit_once(", expected ")
        .unwrap_or((rest, "another kind"));
    let (wanted, found) = (toml_kinds::wanted(wanted), toml_kinds::found(found));
    format!("here must be {wanted}, not {found}")
}

fn located(fault: Fault, text: &str, origin: &str) -> PriceError {
    // A span of TOML may end inside of a character, or past the end.
    let before = text.get(..fault.span.start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    PriceError {
        origin: origin.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        reason: fault.reason,
    }
}

fn table(file: TableFile) -> Result<PriceTable, Fault> {
    if file.version.get_ref().trim().is_empty() {
        return Err(Fault {
            span: file.version.span(),
            reason: "the version is empty: write the day of the prices, or any name".to_owned(),
        });
    }
    // Before the rows: a doubled name is mostly a copied row that was not finished.
    check_names(&file.models)?;
    Ok(PriceTable {
        version: file.version.into_inner(),
        batch: file.batch_factor.map(Factor::of_decimal),
        us_geo: file.us_geo_factor.map(Factor::of_decimal),
        regional: file.regional_factor.map(Factor::of_decimal),
        // A millionth of a dollar per thousand searches is 1,000 pico-USD per search.
        web_search: file
            .web_search_usd_per_1000
            .map(|usd| Pico(i128::from(usd.millionths()) * 1_000)),
        models: file
            .models
            .into_iter()
            .map(model)
            .collect::<Result<_, _>>()?,
    })
}

/// A name stands for one model only.
fn check_names(models: &[ModelFile]) -> Result<(), Fault> {
    let mut seen = HashSet::new();
    for name in models
        .iter()
        .flat_map(|model| model.aliases.iter().chain([&model.id]))
    {
        if !seen.insert(name.get_ref()) {
            return Err(Fault {
                span: name.span(),
                reason: format!("`{}` is named twice", name.get_ref()),
            });
        }
    }
    Ok(())
}

fn model(file: ModelFile) -> Result<ModelPrices, Fault> {
    let rates = file.prices.iter().map(rate).collect::<Vec<_>>();
    if let Some(reason) = gap_in(&rates) {
        return Err(Fault {
            span: file.id.span(),
            reason: format!("the prices of `{}` {reason}", file.id.get_ref()),
        });
    }
    Ok(ModelPrices {
        id: file.id.into_inner(),
        aliases: file.aliases.into_iter().map(Spanned::into_inner).collect(),
        context_window: file.context_window,
        max_output_tokens: file.max_output_tokens,
        min_cacheable_tokens: file.min_cacheable_tokens,
        status: file.status,
        retires: file.retires.map(|day| day.0),
        retires_not_before: file.retires_not_before.map(|day| day.0),
        has_regional_price: file.regional_surcharge,
        rates,
    })
}

fn rate(file: &RateFile) -> Rate {
    let per_token = |price: Decimal| Pico(i128::from(price.millionths()));
    Rate {
        fast: file.fast,
        from: file.from.map(start_of_day),
        prompt_over: file.prompt_over,
        prices: TokenPrices {
            input: per_token(file.input),
            output: per_token(file.output),
            cache_write_5m: per_token(file.cache_write_5m),
            cache_write_1h: per_token(file.cache_write_1h),
            cache_read: per_token(file.cache_read),
        },
    }
}

/// A day beyond representable time never comes.
fn start_of_day(day: Day) -> Timestamp {
    day.0
        .to_zoned(TimeZone::UTC)
        .map_or(Timestamp::MAX, |start| start.timestamp())
}

/// What is missing or doubled among the rows of one model.
fn gap_in(rates: &[Rate]) -> Option<&'static str> {
    let mut seen = HashSet::new();
    if !rates
        .iter()
        .all(|rate| seen.insert((rate.fast, rate.from, rate.prompt_over)))
    {
        return Some("have two rows for the same case");
    }
    // Every request that does not ask for speed needs it.
    if !rates.iter().any(|rate| !rate.fast) {
        return Some("have no row for the standard speed");
    }
    let has_base = |rate: &Rate| seen.contains(&(rate.fast, rate.from, None));
    if !rates.iter().all(has_base) {
        return Some("have a row with `prompt_over`, but none for smaller prompts");
    }
    None
}

//! What a body says of an error, whoever made it: the API, a cloud, a gateway, or one around another.
//!
//! Five shapes are read (`shape`): `{"error":{...}}` of Anthropic, `OpenAI`, Google and most gateways
//! (also inside an array), `{"message":...}` and `{"__type":...}` of AWS, `{"detail":...}` of `FastAPI`,
//! `{"errors":[...]}` of Cloudflare, and `{"fault":...}` of Apigee. A message that is an error body itself is
//! read in turn, up to three levels deep, and so is what OpenRouter keeps in `metadata.raw`. Everything
//! is bounded: no input takes more than a few copies of its first 64 kB, and none makes it panic.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::python_literal;
use super::rules::status_of;
use super::wrappers;

/// Errors inside errors that are looked into.
const MAX_LEVELS: u8 = 3;

/// Most bytes of an error's message that are looked at. Real ones have some hundreds.
const MAX_WORDS: usize = 64 * 1024;

/// Faults of a request that are told of a list of them.
const MAX_FAULTS: usize = 3;

/// An error, out of whatever it was wrapped in. Where several levels say the same thing, the innermost
/// counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ErrorBody {
    /// `error.type`, the name of an AWS exception, or the status word of Google.
    pub(super) kind: Option<String>,
    /// A code: a word, or a number in digits.
    pub(super) code: Option<String>,
    /// The status that it names itself, by a number or by what its type stands for.
    pub(super) status: Option<u16>,
    /// What it says.
    pub(super) message: Option<String>,
    /// The API's request id.
    pub(super) request_id: Option<String>,
    /// It stood inside another one, so the HTTP status is the wrapper's.
    pub(super) is_wrapped: bool,
    /// It has `error.type`, as the errors of the API have.
    pub(super) is_typed: bool,
}

impl ErrorBody {
    /// Whether it names a type, a code or a status, as the errors of APIs do. A bare text may be
    /// anybody's.
    pub(super) fn is_named(&self) -> bool {
        self.kind.is_some() || self.code.is_some() || self.status.is_some() || self.is_wrapped
    }

    /// What it says: its message, else its code or its type.
    pub(super) fn words(&self) -> Option<&str> {
        let name = || self.code.as_deref().or(self.kind.as_deref());
        self.message.as_deref().or_else(name)
    }
}

/// Every field that some error body has, unread.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    errors: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow, rename = "Message")]
    capital_message: Option<&'a RawValue>,
    #[serde(borrow)]
    msg: Option<&'a RawValue>,
    #[serde(borrow)]
    loc: Option<&'a RawValue>,
    #[serde(borrow)]
    title: Option<&'a RawValue>,
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
    #[serde(borrow)]
    details: Option<&'a RawValue>,
    #[serde(borrow)]
    error_code: Option<&'a RawValue>,
    #[serde(borrow)]
    reason: Option<&'a RawValue>,
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow, rename = "statusCode")]
    status_code: Option<&'a RawValue>,
    #[serde(borrow, rename = "originalStatusCode")]
    original_status: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    raw: Option<&'a RawValue>,
    #[serde(borrow)]
    fault: Option<&'a RawValue>,
    #[serde(borrow)]
    faultstring: Option<&'a RawValue>,
    #[serde(borrow, rename = "__type")]
    aws_type: Option<&'a RawValue>,
    #[serde(borrow, rename = "Output")]
    aws_output: Option<&'a RawValue>,
    #[serde(borrow)]
    request_id: Option<&'a RawValue>,
}

/// The error that a body tells of; none if it is no JSON or tells of none.
pub(super) fn read_error(body: &str) -> Option<ErrorBody> {
    json(body, MAX_LEVELS)
}

/// The name of an AWS exception, out of `com.amazon.coral#NAME` or `NAME:http://...`.
pub(super) fn aws_name(told: &str) -> &str {
    let name = told.rsplit('#').next().unwrap_or(told);
    name.split(':').next().unwrap_or(name).trim()
}

/// Reads the first JSON value of a text, or the first dictionary as Python prints it.
fn json(text: &str, levels: u8) -> Option<ErrorBody> {
    let text = text.trim_start();
    match text.as_bytes().first()? {
        b'{' => match first_value(text) {
            Some(object) => shape(object.get(), levels),
            None => shape(&python_literal::to_json(text)?, levels),
        },
        // Google wraps the errors of streams in an array.
        b'[' => {
            let first = text.get(1..)?.trim_start();
            first.starts_with('{').then(|| json(first, levels))?
        }
        // A JSON text of JSON.
        b'"' => {
            let inner: String = serde_json::from_str(first_value(text)?.get()).ok()?;
            json(&inner, levels.checked_sub(1)?)
        }
        // Python's bytes.
        b'b' => {
            let inner = text
                .strip_prefix("b'")
                .or_else(|| text.strip_prefix("b\""))?;
            inner.starts_with('{').then(|| json(inner, levels))?
        }
        _ => None,
    }
}

/// The error of a text that is no JSON itself: what the wrappers of gateways and SDKs hold. None for
/// any other text.
pub(super) fn read_text(body: &str) -> Option<ErrorBody> {
    let body = &body[..body.floor_char_boundary(MAX_WORDS)];
    let told = ErrorBody {
        message: Some(body.to_owned()),
        ..ErrorBody::default()
    };
    json(body, MAX_LEVELS)
        .or_else(|| Some(unwrapped(told, MAX_LEVELS)).filter(|told| told.is_wrapped))
}

fn first_value(text: &str) -> Option<&RawValue> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    values.next()?.ok()
}

/// Finds the error in an object, by where its makers put it.
fn shape(object: &str, levels: u8) -> Option<ErrorBody> {
    let top: Fields<'_> = fields(object)?;
    let mut found = match top.error.map(RawValue::get) {
        Some(error) if error.starts_with('{') => {
            let inner: Fields<'_> = fields(error)?;
            ErrorBody {
                is_typed: text(inner.kind).is_some(),
                ..inner.told(levels)
            }
        }
        Some(error) if error.starts_with('[') => first_of(error)?.told(levels),
        // `{"error":"forbidden","message":"..."}`: the sentence says more than the word.
        Some(error) if error.starts_with('"') && top.message.is_some() => {
            let told = top.told(levels);
            ErrorBody {
                code: told.code.or_else(|| text(top.error)),
                ..told
            }
        }
        Some(error) if error.starts_with('"') => ErrorBody {
            message: text(top.error),
            ..top.told(levels)
        },
        _ => top.elsewhere(levels)?,
    };
    found.request_id = text(top.request_id).or(found.request_id);
    found.words()?;
    Some(unwrapped(found, levels))
}

impl Fields<'_> {
    /// The error of an object that has no `error`.
    fn elsewhere(&self, levels: u8) -> Option<ErrorBody> {
        if let Some(list) = self.errors.map(RawValue::get) {
            return Some(first_of(list)?.told(levels));
        }
        if let Some(fault) = self.fault {
            let fault: Fields<'_> = fields(fault.get())?;
            return Some(ErrorBody {
                message: text(fault.faultstring),
                ..ErrorBody::default()
            });
        }
        // AWS answers so, under status 200, what it has no operation for.
        if let Some(output) = self.aws_output {
            return Some(fields(output.get())?.told(levels));
        }
        match self.detail.map(RawValue::get) {
            Some(detail) if detail.starts_with('{') => shape(detail, levels.checked_sub(1)?),
            Some(detail) if detail.starts_with('[') => Some(ErrorBody {
                message: faults(detail),
                ..ErrorBody::default()
            }),
            // Much JSON has a type or a status and is no error.
            _ => {
                let told = self.told(levels);
                (told.message.is_some() || self.aws_type.is_some()).then_some(told)
            }
        }
    }

    /// What stands in these fields themselves.
    fn told(&self, levels: u8) -> ErrorBody {
        let kind = text(self.aws_type)
            .map(|name| aws_name(&name).to_owned())
            // The envelope of the API's own errors, and of those that describe problems.
            .or_else(|| text(self.kind).filter(|kind| kind != "error" && !kind.contains(':')))
            .or_else(|| text(self.status).filter(|word| status_of(word).is_some()));
        let numbers = [
            self.original_status,
            self.status_code,
            self.code,
            self.status,
        ];
        let number = numbers.into_iter().find_map(status_in);
        let named = || kind.as_deref().and_then(status_of);
        let mut told = ErrorBody {
            status: number.or_else(named),
            code: self.finer_code().or_else(|| word_or_number(self.code)),
            message: self.sentence(),
            ..ErrorBody::default()
        };
        match self.original_status {
            // SageMaker's way: the name is the wrapper's, and the status the model's own.
            Some(_) => told.is_wrapped = true,
            None => told.kind = kind,
        }
        if let Some(raw) = self.raw(levels) {
            told = over(raw, told);
        }
        told
    }

    fn sentence(&self) -> Option<String> {
        [
            self.message,
            self.capital_message,
            self.msg,
            self.detail,
            self.title,
        ]
        .into_iter()
        .find_map(text)
    }

    /// The code in `details`, which is the finer one: of the API an object, of Google a list.
    fn finer_code(&self) -> Option<String> {
        let details = self.details?.get();
        if details.starts_with('[') {
            return text(first_of(details)?.reason);
        }
        text(fields(details)?.error_code)
    }

    /// What OpenRouter keeps of its provider's answer.
    fn raw(&self, levels: u8) -> Option<ErrorBody> {
        let levels = levels.checked_sub(1)?;
        let metadata: Fields<'_> = fields(self.metadata?.get())?;
        let raw = metadata.raw?;
        match text(Some(raw)) {
            Some(words) => json(&words, levels).or(Some(ErrorBody {
                message: Some(words).filter(|words| !words.trim().is_empty()),
                ..ErrorBody::default()
            })),
            None => json(raw.get(), levels),
        }
    }
}

/// The error that a message is itself, or the message without what wraps it.
fn unwrapped(told: ErrorBody, levels: u8) -> ErrorBody {
    let Some(message) = &told.message else {
        return told;
    };
    let stripped = wrappers::strip(message);
    let inner = levels
        .checked_sub(1)
        .and_then(|levels| json(stripped.rest, levels));
    if inner.is_none() && !stripped.is_wrapped {
        return told;
    }
    let wrapper = ErrorBody {
        kind: stripped.kind.map(str::to_owned),
        status: stripped.status,
        message: Some(stripped.rest.to_owned()),
        ..ErrorBody::default()
    };
    let inside = match inner {
        Some(inner) => over(inner, wrapper),
        None => wrapper,
    };
    over(inside, told)
}

/// The inner error, and what only the outer one says.
fn over(inner: ErrorBody, outer: ErrorBody) -> ErrorBody {
    // A word of the outer one, such as `budget_exceeded`, says more than no code; its number is the
    // wrapper's status, and `None` what LiteLLM writes for nothing.
    let word = |code: &String| code.parse::<u32>().is_err() && code != "None";
    let outer_word = outer.code.clone().filter(word);
    let outer_kind = outer
        .kind
        .clone()
        .filter(|kind| status_of(kind).is_none() && word(kind));
    ErrorBody {
        code: inner.code.or(outer_word).or(outer_kind),
        kind: inner.kind.or(outer.kind),
        status: inner.status,
        message: inner.message.or(outer.message),
        request_id: inner.request_id.or(outer.request_id),
        is_wrapped: true,
        is_typed: outer.is_typed || inner.is_typed,
    }
}

/// The first faults of a list as `FastAPI` makes it: where, and what.
fn faults(list: &str) -> Option<String> {
    let mut words = Vec::new();
    let mut rest = list.get(1..)?;
    // One by one: a list may have millions, and each may quote the request.
    while words.len() < MAX_FAULTS
        && let Some(item) = first_value(rest.trim_start())
    {
        let fault: Fields<'_> = fields(item.get())?;
        rest = rest
            .trim_start()
            .get(item.get().len()..)?
            .trim_start()
            .trim_start_matches(',');
        let place: Vec<serde_json::Value> = value(fault.loc).unwrap_or_default();
        let place = place.iter().map(|part| match part {
            serde_json::Value::String(name) => name.clone(),
            other => other.to_string(),
        });
        let place = place.collect::<Vec<_>>().join(".");
        let what = text(fault.msg)?;
        words.push(if place.is_empty() {
            what
        } else {
            format!("{place}: {what}")
        });
    }
    (!words.is_empty()).then(|| words.join("; "))
}

/// The fields of the first object of a list.
fn first_of(list: &str) -> Option<Fields<'_>> {
    let first = first_value(list.get(1..)?.trim_start())?.get();
    if first.starts_with('"') {
        return Some(Fields {
            message: first_value(first),
            ..Fields::default()
        });
    }
    fields(first)
}

/// The fields of an object. (A struct could be read from a list, too.)
fn fields(object: &str) -> Option<Fields<'_>> {
    let object = object.trim_start();
    object
        .starts_with('{')
        .then(|| serde_json::from_str(object).ok())?
}

/// A number that is the status of an error, perhaps in quotes.
fn status_in(raw: Option<&RawValue>) -> Option<u16> {
    let digits = raw?.get().trim_matches('"');
    let status = digits.parse().ok()?;
    (400..600).contains(&status).then_some(status)
}

/// A code: a word, or a number.
fn word_or_number(code: Option<&RawValue>) -> Option<String> {
    let number = || value::<u64>(code).map(|number| number.to_string());
    text(code).filter(|word| !word.is_empty()).or_else(number)
}

/// The field's text, if it is one: as much of it as may matter. What is kept in the end is far less, and
/// each step on the way there takes a copy.
fn text(raw: Option<&RawValue>) -> Option<String> {
    let mut text: String = value(raw)?;
    if text.len() > MAX_WORDS {
        let cut = &text[..text.floor_char_boundary(MAX_WORDS)];
        // No half of a word, which may be half of a secret that is masked as a whole.
        let end = cut.rfind(char::is_whitespace).unwrap_or(cut.len());
        text.truncate(end);
        text.shrink_to_fit();
    }
    Some(text)
}

/// The field, if it is there and of that kind.
fn value<T: DeserializeOwned>(raw: Option<&RawValue>) -> Option<T> {
    serde_json::from_str(raw?.get()).ok()
}

#[cfg(test)]
mod tests;

//! Properties over any JSON and any bytes.

use proptest::prelude::*;
use serde_json::Value;

use super::{good, items, source, with_model};
use crate::input::Item;
use crate::model::Shaping;

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(".{0,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn params_are_kept_byte_for_byte(value in any_json(), spaced: bool) {
        let extra = if spaced {
            serde_json::to_string_pretty(&value).unwrap().replace('\n', " ")
        } else {
            value.to_string()
        };
        let params =
            format!("{{\"model\":\"a\",\"max_tokens\":1, \"x\" :{extra} ,\"messages\":[{extra}]}}");
        let (job, _) = good(&format!("{{\"params\":{params}}}"), &Shaping::default());
        prop_assert_eq!(job.body.as_str(), &params);
        let (job, _) = good(
            &format!("{{\"prompt\":\"p\",\"metadata\":{extra}}}"),
            &with_model(),
        );
        prop_assert_eq!(job.metadata, Some(extra));
    }

    #[test]
    fn a_prompt_says_in_the_body_what_it_says_on_the_line(prompt in ".{1,40}") {
        let line = format!("{{\"prompt\":{}}}", Value::from(prompt.clone()));
        let (job, _) = good(&line, &with_model());
        let body: Value = serde_json::from_str(job.body.as_str()).unwrap();
        prop_assert_eq!(&body["messages"][0]["content"], &Value::from(prompt));
    }

    /// Whatever the bytes, every line is a job, bad or blank, and columns lie in the line or right
    /// behind it.
    #[test]
    fn no_input_breaks_the_reader(
        pieces in prop::collection::vec(
            prop_oneof![
                Just(b"{".to_vec()), Just(b"}".to_vec()), Just(b"\"".to_vec()),
                Just(b"\"params\":{".to_vec()), Just(b"\"prompt\":\"p\"".to_vec()),
                Just(b"\"messages\":[".to_vec()), Just(b"]".to_vec()), Just(b",".to_vec()),
                Just(b"\\ud800".to_vec()), Just("é☺".as_bytes().to_vec()), Just(b"\n".to_vec()),
                prop::collection::vec(any::<u8>(), 0..4),
            ],
            0..30,
        )
    ) {
        let mut bytes = b"\n".to_vec();
        bytes.extend(pieces.concat());
        let lines: Vec<_> = bytes.split(|byte| *byte == b'\n').map(<[u8]>::len).collect();
        for item in items(source(bytes.clone()), &with_model()) {
            match item {
                Item::Bad(error) => {
                    let length = lines[usize::try_from(error.line).unwrap() - 1];
                    prop_assert!((1..=length + 1).contains(&error.column), "{}", error);
                }
                Item::Job { job, .. } => {
                    let body: Result<Value, _> = serde_json::from_str(job.body.as_str());
                    let lone_surrogate = job.body.as_str().contains("\\ud800");
                    prop_assert!(body.is_ok() || lone_surrogate);
                }
            }
        }
    }
}

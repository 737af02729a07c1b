//! What two runs of one command have in common: ids, times, durations and ports are taken out, and columns
//! may have any width.

/// A line without what differs from one run to the next.
pub(crate) fn shape(line: &str, numbers_vary: bool) -> String {
    let words: Vec<_> = line
        .split_whitespace()
        .map(|word| word_shape(word, numbers_vary))
        .collect();
    words.join(" ")
}

/// Of lines of progress that follow one another only the last one counts: how many there are is a
/// question of time.
pub(crate) fn without_progress(lines: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for line in lines {
        if is_progress(&line) && kept.last().is_some_and(|last| is_progress(last)) {
            kept.pop();
        }
        kept.push(line);
    }
    kept
}

fn is_progress(line: &str) -> bool {
    let line = line.trim_start_matches("SIMULATED ");
    let count = line.split(' ').next().unwrap_or_default();
    count.contains('/')
        && line.contains(" done, ")
        && count.starts_with(|c: char| c.is_ascii_digit())
}

fn word_shape(word: &str, numbers_vary: bool) -> String {
    let mut shape = String::new();
    let mut rest = word;
    while !rest.is_empty() {
        let c = rest.chars().next().unwrap();
        let length = rest.find(|c: char| !is_token(c)).unwrap_or(rest.len());
        if !c.is_ascii_alphanumeric() {
            shape.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let (token, behind) = rest.split_at(length);
        let core = token.trim_end_matches(['.', ':', '-']);
        // A number under a key that ends in `_ms` is a duration.
        let is_ms = shape.ends_with("_ms\":");
        shape += &token_shape(core, numbers_vary || is_ms);
        shape += &token[core.len()..];
        rest = behind;
    }
    shape
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-')
}

fn token_shape(token: &str, numbers_vary: bool) -> String {
    for prefix in ["req_", "msgbatch_", "msg_", "toolu_"] {
        if token.starts_with(prefix) {
            return format!("{prefix}0");
        }
    }
    if let Some((host, port)) = token.split_once(':')
        && host == "127.0.0.1"
        && port.bytes().all(|b| b.is_ascii_digit())
    {
        return "127.0.0.1:PORT".to_owned();
    }
    let is_hex = |part: &str| {
        part.bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    if token.len() == 36 && token.matches('-').count() == 4 && token.split('-').all(is_hex) {
        return "ID".to_owned();
    }
    if (6..=12).contains(&token.len()) && is_hex(token) {
        return "SHORT-ID".to_owned();
    }
    if is_duration(token) || is_time(token) {
        return "TIME".to_owned();
    }
    if numbers_vary {
        numberless(token)
    } else {
        token.to_owned()
    }
}

fn is_duration(token: &str) -> bool {
    let unit = token.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    unit.len() < token.len() && matches!(unit, "ms" | "s" | "m" | "h" | "d")
}

/// `15:44:32`, `11-30`, `2026-11-30T15:44:32.1Z`.
fn is_time(token: &str) -> bool {
    let is_part = |c: char| c.is_ascii_digit() || matches!(c, ':' | '-' | '.' | 'T' | 'Z');
    token.starts_with(|c: char| c.is_ascii_digit())
        && token.contains([':', '-'])
        && token.chars().all(is_part)
}

/// With every number, whatever its size, written as one 0.
fn numberless(token: &str) -> String {
    let mut shape = String::new();
    for c in token.chars() {
        match shape.chars().last() {
            Some('0') if c.is_ascii_digit() || c == '.' => {}
            _ => shape.push(if c.is_ascii_digit() { '0' } else { c }),
        }
    }
    shape
}

/// Whether these lines are what the page shows; a line `...` of the page stands for any lines, or none.
pub(crate) fn fits(shown: &[String], said: &[String]) -> bool {
    let Some(first) = shown.first() else {
        return said.is_empty();
    };
    if first.trim() == "..." {
        return (0..=said.len()).any(|from| fits(&shown[1..], &said[from..]));
    }
    said.first() == Some(first) && fits(&shown[1..], &said[1..])
}

#[test]
fn what_differs_between_two_runs_is_taken_out_and_nothing_else() {
    for (a, b) in [
        (
            "note: 200 jobs stored as run 01a202b0-d34e-755c-ad48-4e0b45222599",
            "note: 200 jobs stored as run ID",
        ),
        ("Run ID ended after 6.7s.", "Run ID ended after 2ms."),
        ("c8af22  -     ended", "483920  - ended"),
        (
            "   1  a  1  11-30 15:44:32  0.727s",
            "1 a 1 10-01 09:00:00 1.2s",
        ),
        (
            r#"{"id":"msg_01Ab","latency_ms":473}"#,
            r#"{"id":"msg_02x","latency_ms":1}"#,
        ),
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:40123/v1"),
    ] {
        assert_eq!(shape(a, false), shape(b, false));
    }
    for (a, b) in [
        ("200 jobs: 200 succeeded", "200 jobs: 199 succeeded"),
        ("cost: $0.0414", "cost: $0.0415"),
        ("ended", "halted"),
    ] {
        assert_ne!(shape(a, false), shape(b, false));
    }
    assert_eq!(
        shape("cost: $0.0414, 1,200", true),
        shape("cost: $12, 7,1", true)
    );
    assert_ne!(shape("212 attempts", true), shape("212 jobs", true));
}

#[test]
fn a_line_of_three_dots_stands_for_any_lines() {
    let lines = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    for (shown, said, fit) in [
        ("a b", "a b", true),
        ("a b", "a b c", false),
        ("a ...", "a b c", true),
        ("... c", "a b c", true),
        ("a ... c", "a c", true),
        ("a ... d", "a b c", false),
        ("... b ...", "a b c", true),
    ] {
        assert_eq!(fits(&lines(shown), &lines(said)), fit, "{shown} {said}");
    }
}

#[test]
fn of_lines_of_progress_the_last_one_counts() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let said = lines("a\nSIMULATED 1/9 done, 0 failed\nSIMULATED 9/9 done, 0 failed\nb");
    assert_eq!(
        without_progress(said),
        lines("a\nSIMULATED 9/9 done, 0 failed\nb")
    );
}

//! The code layer of a file as tokens with their lines, and what of it is compiled for tests only.

use super::mask::layers;

/// A word or a sign, and the line it stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    pub text: &'a str,
    pub line: usize,
}

impl Token<'_> {
    pub fn is_word(&self) -> bool {
        self.text.starts_with(is_word)
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Words, `::` as one sign, and every other sign by itself.
pub fn tokens(code: &str) -> Vec<Token<'_>> {
    let (mut found, mut rest, mut line) = (Vec::new(), code, 1);
    while let Some(first) = rest.chars().next() {
        let length = if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (text, behind) = rest.split_at(length);
        if first == '\n' {
            line += 1;
        } else if !first.is_whitespace() {
            found.push(Token { text, line });
        }
        rest = behind;
    }
    found
}

/// The tokens without the items that are marked `#[cfg(test)]`.
pub fn without_tests<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        if is_test_mark(&tokens[at..]) {
            at += item_length(&tokens[at..]);
        } else {
            kept.push(tokens[at]);
            at += 1;
        }
    }
    kept
}

/// The files (or folders, ending in `/`) of modules that `source` marks `#[cfg(test)]`.
pub fn test_module_files(path: &str, source: &str) -> Vec<String> {
    let layers = layers(source);
    let tokens = tokens(&layers.code);
    let (folder, children) = folders(path);
    let mut files = Vec::new();
    for at in (0..tokens.len()).filter(|at| is_test_mark(&tokens[*at..])) {
        let item = &tokens[at..at + item_length(&tokens[at..])];
        let Some(name) = module_elsewhere(item) else {
            continue;
        };
        if let Some(mark) = item.windows(2).find(|w| w[0].text == "path") {
            let named = layers.texts.lines().nth(mark[0].line - 1).unwrap();
            files.push(format!("{folder}/{}", named.trim()));
        } else {
            files.push(format!("{children}/{name}.rs"));
            files.push(format!("{children}/{name}/"));
        }
    }
    files
}

/// The folder of a file, and the folder of its child modules.
fn folders(path: &str) -> (&str, &str) {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let children = match name {
        "mod.rs" | "lib.rs" | "main.rs" => folder,
        _ => path.trim_end_matches(".rs"),
    };
    (folder, children)
}

/// The name in `mod name;`, if this item is one.
fn module_elsewhere<'a>(item: &[Token<'a>]) -> Option<&'a str> {
    let [.., keyword, name, end] = item else {
        return None;
    };
    (keyword.text == "mod" && end.text == ";").then_some(name.text)
}

fn is_test_mark(tokens: &[Token<'_>]) -> bool {
    let starts_with = |mark: &[&str]| {
        let texts = tokens.iter().map(|token| token.text);
        texts.take(mark.len()).eq(mark.iter().copied())
    };
    starts_with(&["#", "[", "cfg", "(", "test", ")", "]"])
        || starts_with(&["#", "[", "cfg", "(", "all", "(", "test", ","])
}

/// How many tokens the item has that begins here, attributes included.
fn item_length(tokens: &[Token<'_>]) -> usize {
    let mut at = 0;
    while tokens.get(at).is_some_and(|token| token.text == "#") {
        at += 1 + group_length(&tokens[at + 1..]);
    }
    let is_use = tokens[at..].iter().take(8).any(|token| token.text == "use");
    while let Some(token) = tokens.get(at) {
        match token.text {
            ";" => return at + 1,
            "{" if !is_use => return at + group_length(&tokens[at..]),
            "(" | "[" | "{" => at += group_length(&tokens[at..]),
            _ => at += 1,
        }
    }
    at
}

/// How many tokens stand from this opening bracket to the one that closes it.
pub fn group_length(tokens: &[Token<'_>]) -> usize {
    let mut depth = 0usize;
    for (token, length) in tokens.iter().zip(1..) {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return length;
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::{Token, test_module_files, tokens, without_tests};

    fn texts<'a>(tokens: &[Token<'a>]) -> Vec<&'a str> {
        tokens.iter().map(|token| token.text).collect()
    }

    #[test]
    fn tokens_know_their_lines() {
        let found = tokens("a::b\n\n{ c_1 }");
        assert_eq!(texts(&found), ["a", "::", "b", "{", "c_1", "}"]);
        let lines: Vec<_> = found.iter().map(|token| token.line).collect();
        assert_eq!(lines, [1, 1, 1, 3, 3, 3]);
    }

    #[test]
    fn items_for_tests_are_left_out_and_nothing_else() {
        for item in [
            "mod tests { fn f() { g(); } }",
            "mod tests;",
            "use x::{y, z};",
            "fn f(a: [u8; 3]) -> u8 { 1 }",
            "const N: [u8; 2] = [1, 2];",
            "#[path = ] pub(crate) mod t;",
        ] {
            let code = format!("a; #[cfg(test)] {item} b;");
            assert_eq!(
                texts(&without_tests(&tokens(&code))),
                ["a", ";", "b", ";"],
                "{item}"
            );
        }
    }

    #[test]
    fn other_conditions_are_kept() {
        let code = "#[cfg(not(test))] use a::b;";
        assert_eq!(without_tests(&tokens(code)), tokens(code));
    }

    #[test]
    fn files_of_test_modules_are_found() {
        let source = "mod a;\n#[cfg(test)]\nmod tests;\n#[cfg(test)]\nmod inline { }";
        let files = test_module_files("src/room/mod.rs", source);
        assert_eq!(files, ["src/room/tests.rs", "src/room/tests/"]);
        let files = test_module_files("src/room/part.rs", source);
        assert_eq!(files, ["src/room/part/tests.rs", "src/room/part/tests/"]);
    }

    #[test]
    fn a_test_module_may_name_its_file() {
        let source = "#[cfg(test)]\n#[path = \"part_tests.rs\"]\nmod tests;";
        let files = test_module_files("src/room/part.rs", source);
        assert_eq!(files, ["src/room/part_tests.rs"]);
    }
}

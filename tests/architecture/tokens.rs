//! A file as tokens with their lines, and what of it is compiled for tests only.

use std::str::FromStr;

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// A word, a sign or a text, and the line it stands on. Comments of every kind are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    pub line: usize,
    /// It stands between quotes; `text` is without them.
    pub is_quoted: bool,
}

impl Token {
    pub fn is_word(&self) -> bool {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        !self.is_quoted && self.text.starts_with(is_word)
    }
}

/// Words, `::` as one sign, and every other sign by itself.
pub fn tokens(source: &str) -> Vec<Token> {
    let mut found = Vec::new();
    flatten(TokenStream::from_str(source).unwrap(), &mut found);
    found
}

fn flatten(stream: TokenStream, found: &mut Vec<Token>) {
    let mut trees = stream.into_iter().peekable();
    while let Some(tree) = trees.next() {
        let line = tree.span().start().line;
        let sign = |text: &str| Token {
            text: text.to_owned(),
            line,
            is_quoted: false,
        };
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = brackets(group.delimiter());
                // A doc comment is an attribute to the parser, and its sign has been taken.
                if open == "[" && is_doc(&group.stream()) {
                    while found
                        .pop_if(|last| ["!", "#"].contains(&last.text.as_str()))
                        .is_some()
                    {}
                    continue;
                }
                found.push(sign(open));
                flatten(group.stream(), found);
                let line = group.span_close().start().line;
                found.push(Token {
                    line,
                    ..sign(close)
                });
            }
            TokenTree::Punct(colon) if colon.as_char() == ':' && is_joint(&colon) => {
                let is_path = trees.next_if(|next| next.to_string() == ":").is_some();
                found.push(sign(if is_path { "::" } else { ":" }));
            }
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                let inner = text
                    .split_once('"')
                    .and_then(|(_, rest)| rest.rsplit_once('"'));
                found.push(Token {
                    is_quoted: inner.is_some(),
                    ..sign(inner.map_or(text.as_str(), |(inner, _)| inner))
                });
            }
            other => found.push(sign(&other.to_string())),
        }
    }
}

fn is_joint(sign: &proc_macro2::Punct) -> bool {
    sign.spacing() == Spacing::Joint
}

fn is_doc(attribute: &TokenStream) -> bool {
    let first = attribute.clone().into_iter().next();
    first.is_some_and(|word| word.to_string() == "doc")
}

fn brackets(delimiter: Delimiter) -> (&'static str, &'static str) {
    match delimiter {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::None => ("", ""),
    }
}

/// The tokens without the items that are marked `#[cfg(test)]`.
pub fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        if is_test_mark(&tokens[at..]) {
            at += item_length(&tokens[at..]);
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// The files (or folders, ending in `/`) of modules that `source` marks `#[cfg(test)]`.
pub fn test_module_files(path: &str, source: &str) -> Vec<String> {
    let tokens = tokens(source);
    let (folder, children) = folders(path);
    let mut files = Vec::new();
    for at in (0..tokens.len()).filter(|at| is_test_mark(&tokens[*at..])) {
        let item = &tokens[at..at + item_length(&tokens[at..])];
        let Some(name) = module_elsewhere(item) else {
            continue;
        };
        let named = item
            .windows(3)
            .find(|w| w[0].text == "path" && w[2].is_quoted);
        if let Some([.., named]) = named {
            files.push(format!("{folder}/{}", named.text));
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
fn module_elsewhere(item: &[Token]) -> Option<&str> {
    let [.., keyword, name, end] = item else {
        return None;
    };
    (keyword.text == "mod" && end.text == ";").then_some(name.text.as_str())
}

fn is_test_mark(tokens: &[Token]) -> bool {
    let starts_with = |mark: &[&str]| {
        let texts = tokens.iter().map(|token| token.text.as_str());
        texts.take(mark.len()).eq(mark.iter().copied())
    };
    starts_with(&["#", "[", "cfg", "(", "test", ")", "]"])
        || starts_with(&["#", "[", "cfg", "(", "all", "(", "test", ","])
}

/// The first and the last line of each item that is marked `#[cfg(test)]`.
pub fn lines_for_tests(tokens: &[Token]) -> Vec<(usize, usize)> {
    let marks = (0..tokens.len()).filter(|at| is_test_mark(&tokens[*at..]));
    let last = |at: usize| tokens[at + item_length(&tokens[at..]) - 1].line;
    marks.map(|at| (tokens[at].line, last(at))).collect()
}

/// How many tokens the item has that begins here, attributes included.
fn item_length(tokens: &[Token]) -> usize {
    let mut at = 0;
    while tokens.get(at).is_some_and(|token| token.text == "#") {
        at += 1 + group_length(&tokens[at + 1..]);
    }
    let is_use = tokens[at..].iter().take(8).any(|token| token.text == "use");
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            ";" => return at + 1,
            "{" if !is_use => return at + group_length(&tokens[at..]),
            "(" | "[" | "{" => at += group_length(&tokens[at..]),
            _ => at += 1,
        }
    }
    at
}

/// How many tokens stand from this opening bracket to the one that closes it.
fn group_length(tokens: &[Token]) -> usize {
    let mut depth = 0usize;
    for (token, length) in tokens.iter().zip(1..) {
        match token.text.as_str() {
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

    fn texts(tokens: &[Token]) -> Vec<&str> {
        tokens.iter().map(|token| token.text.as_str()).collect()
    }

    #[test]
    fn tokens_know_their_lines() {
        let found = tokens("a::b\n\n{ c_1 }");
        assert_eq!(texts(&found), ["a", "::", "b", "{", "c_1", "}"]);
        let lines: Vec<_> = found.iter().map(|token| token.line).collect();
        assert_eq!(lines, [1, 1, 1, 3, 3, 3]);
    }

    #[test]
    fn comments_are_left_out_and_texts_are_told_from_code() {
        let code = "//! A.\n/// B.\nfn f() { /* c */ g(\"h::i\", r#\"j\"#, 'k') } // l";
        let found = tokens(code);
        assert!(texts(&found).concat().starts_with("fnf(){g(h::i,j,"));
        let quoted = found.iter().filter(|token| token.is_quoted);
        let quoted: Vec<_> = quoted.map(|token| token.text.as_str()).collect();
        assert_eq!(quoted, ["h::i", "j"]);
    }

    #[test]
    fn items_for_tests_are_left_out_and_nothing_else() {
        for item in [
            "mod tests { fn f() { g(); } }",
            "mod tests;",
            "use x::{y, z};",
            "fn f(a: [u8; 3]) -> u8 { 1 }",
            "const N: [u8; 2] = [1, 2];",
            "#[path = \"t.rs\"] pub(crate) mod t;",
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

//! Tells code, texts and comments of a Rust file apart, by the rules of the language's lexer.

/// A file in two layers of the same length, so that a place in one is a place in the other.
/// Whatever does not belong to a layer is blank there; line breaks stay.
pub struct Layers {
    /// Without comments and without what stands between quotes.
    pub code: String,
    /// Nothing but what stands between the quotes of texts.
    pub texts: String,
}

#[derive(Clone, Copy)]
enum Layer {
    Code,
    Text,
    Neither,
}

/// Takes a source file apart.
pub fn layers(source: &str) -> Layers {
    let mut masker = Masker {
        source: source.as_bytes(),
        at: 0,
        code: Vec::with_capacity(source.len()),
        texts: Vec::with_capacity(source.len()),
    };
    while masker.at < source.len() {
        masker.step();
    }
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Layers {
        code: text(masker.code),
        texts: text(masker.texts),
    }
}

struct Masker<'a> {
    source: &'a [u8],
    at: usize,
    code: Vec<u8>,
    texts: Vec<u8>,
}

impl Masker<'_> {
    fn step(&mut self) {
        let rest = &self.source[self.at..];
        if rest.starts_with(b"//") {
            let length = rest.iter().position(|byte| *byte == b'\n');
            self.take(length.unwrap_or(rest.len()), Layer::Neither);
        } else if rest.starts_with(b"/*") {
            self.take(block_comment(rest), Layer::Neither);
        } else if let Some(hashes) = self.raw_text_here(rest) {
            self.raw_text(rest, hashes);
        } else if rest[0] == b'"' {
            let length = escaped(&rest[1..], b'"');
            self.quoted(1, length, 1);
        } else if let Some(length) = char_literal(rest) {
            self.take(length, Layer::Neither);
        } else {
            self.take(1, Layer::Code);
        }
    }

    /// The number of `#` if a raw text (`r"`, `br#"`, ...) begins here.
    fn raw_text_here(&self, rest: &[u8]) -> Option<usize> {
        let in_word = self.at > 0 && is_word(self.source[self.at - 1]);
        let after_prefix = [b"r".as_slice(), b"br", b"cr"]
            .into_iter()
            .find_map(|prefix| rest.strip_prefix(prefix))?;
        let hashes = after_prefix.iter().take_while(|b| **b == b'#').count();
        (!in_word && after_prefix.get(hashes) == Some(&b'"')).then_some(hashes)
    }

    fn raw_text(&mut self, rest: &[u8], hashes: usize) {
        let opening = rest.iter().position(|byte| *byte == b'"').unwrap() + 1;
        let end: Vec<u8> = std::iter::once(b'"')
            .chain(std::iter::repeat_n(b'#', hashes))
            .collect();
        let inner = &rest[opening..];
        let length = inner.windows(end.len()).position(|part| part == end);
        self.quoted(opening, length.unwrap_or(inner.len()), end.len());
    }

    fn quoted(&mut self, opening: usize, inner: usize, closing: usize) {
        self.take(opening, Layer::Neither);
        self.take(inner, Layer::Text);
        let left = self.source.len() - self.at;
        self.take(closing.min(left), Layer::Neither);
    }

    fn take(&mut self, length: usize, layer: Layer) {
        let (code, text) = match layer {
            Layer::Code => (true, false),
            Layer::Text => (false, true),
            Layer::Neither => (false, false),
        };
        for byte in &self.source[self.at..self.at + length] {
            let blank = if *byte == b'\n' { b'\n' } else { b' ' };
            self.code.push(if code { *byte } else { blank });
            self.texts.push(if text { *byte } else { blank });
        }
        self.at += length;
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Length of the block comment that begins here; they nest.
fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// How many bytes stand before the quote that ends this text.
fn escaped(inner: &[u8], quote: u8) -> usize {
    let mut at = 0;
    while at < inner.len() && inner[at] != quote {
        at += 1 + usize::from(inner[at] == b'\\');
    }
    at.min(inner.len())
}

/// Length of the character that begins here with `'`; none if it is a lifetime.
fn char_literal(rest: &[u8]) -> Option<usize> {
    let inner = rest.strip_prefix(b"'")?;
    if inner.first() == Some(&b'\\') {
        return Some(escaped(inner, b'\'') + 2);
    }
    let continues = |byte: &&u8| (0x80..0xC0).contains(*byte);
    let length = 1 + inner.iter().skip(1).take_while(continues).count();
    (inner.get(length) == Some(&b'\'')).then_some(length + 2)
}

#[cfg(test)]
mod tests {
    use super::layers;

    /// The words of each layer.
    fn words(source: &str) -> (Vec<String>, Vec<String>) {
        let layers = layers(source);
        assert_eq!(layers.code.len(), source.len());
        assert_eq!(layers.texts.len(), source.len());
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        (words(&layers.code), words(&layers.texts))
    }

    #[test]
    fn comments_belong_to_no_layer() {
        for source in [
            "a // b \"c\"\n d",
            "a /* b /* c */ \" */ d",
            "a /// b\n//! c\nd",
        ] {
            let (code, texts) = words(source);
            assert_eq!(code, ["a", "d"], "{source}");
            assert!(texts.is_empty(), "{source}");
        }
    }

    #[test]
    fn texts_are_told_from_code_however_they_are_quoted() {
        for source in [
            r#"a "b" d"#,
            "a r\"b\" d",
            "a r##\"b\"## d",
            "a br#\"b\"# d",
        ] {
            let (code, texts) = words(source);
            assert_eq!(code, ["a", "d"], "{source}");
            assert_eq!(texts, ["b"], "{source}");
        }
    }

    #[test]
    fn quotes_inside_texts_do_not_end_them() {
        let (code, texts) = words(r##"a "x\"y\\" r#"u"v"# b"##);
        assert_eq!(code, ["a", "b"]);
        assert_eq!(texts, ["x\\\"y\\\\", "u\"v"]);
    }

    #[test]
    fn a_comment_inside_a_text_is_text() {
        let (code, texts) = words("a \"http://b\" c");
        assert_eq!(code, ["a", "c"]);
        assert_eq!(texts, ["http://b"]);
    }

    #[test]
    fn characters_are_told_from_lifetimes() {
        let (code, texts) = words(r#"f::<'a>('"', '\'', '\\', 'ü', "t") 'b: loop"#);
        assert_eq!(code.concat(), "f::<'a>(,,,,)'b:loop");
        assert_eq!(texts, ["t"]);
    }

    #[test]
    fn a_word_that_ends_in_r_begins_no_raw_text() {
        let (code, texts) = words("for_r\"t\"");
        assert_eq!(code, ["for_r"]);
        assert_eq!(texts, ["t"]);
    }
}

//! Pictures and documents: base64, what the bytes are, how large.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::Draft;
use super::fault::{Faults, Rule, Step};
use crate::model::{JsonView, ObjectView, shown, thousands};

/// Most bytes of a picture at the first party; elsewhere 5 MB.
const MOST_BYTES: u64 = 10 << 20;
const MOST_BYTES_ELSEWHERE: u64 = 5 << 20;
/// Most pixels of a side, of one picture and of each of many.
const MOST_PIXELS: usize = 8_000;
const MOST_PIXELS_OF_MANY: usize = 2_000;
/// From so many pictures on they are many.
const MANY: usize = 21;
/// Most pictures of a request, and where the window is small.
const MOST_IMAGES: usize = 600;
const MOST_IMAGES_OF_SMALL: usize = 100;
const SMALL_WINDOW: u64 = 200_000;
/// Characters of base64 whose bytes tell what a picture is and how large: a JPEG says it behind its
/// preview, which may be 64 KB.
const HEAD: usize = 256 * 1024;

/// Either form of padding: decoders of the API take both.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(super) fn look_over(request: &Draft<'_, '_>, faults: &mut Faults) {
    let mut sources = Vec::new();
    let messages = request.given("messages").and_then(JsonView::items);
    for (index, message) in messages.into_iter().flatten().enumerate() {
        let content = message
            .members()
            .and_then(|message| message.last("content"));
        let place = [
            Step::Key("messages"),
            Step::Index(index),
            Step::Key("content"),
        ];
        gather(content, &place, &mut sources, true);
    }
    let images = sources.iter().filter(|source| source.is_image).count();
    let is_small = request
        .sizes
        .is_some_and(|sizes| sizes.context_window <= SMALL_WINDOW);
    let most = if is_small {
        MOST_IMAGES_OF_SMALL
    } else {
        MOST_IMAGES
    };
    if images > most {
        faults.at(
            Rule::Image,
            &[Step::Key("messages")],
            format_args!(
                "has {images} pictures, and {most} are allowed: send them in several requests"
            ),
        );
    }
    for source in &sources {
        source.look_over(request, images >= MANY, faults);
    }
}

/// A picture or document that stands in the request.
struct Media<'v, 'a> {
    place: Vec<Step>,
    is_image: bool,
    told_type: Option<String>,
    data: &'v JsonView<'a>,
}

/// Those of a message, and of the tool results in it.
fn gather<'v, 'a>(
    content: Option<&'v JsonView<'a>>,
    place: &[Step],
    into: &mut Vec<Media<'v, 'a>>,
    is_top: bool,
) {
    let blocks = content.and_then(JsonView::items);
    for (index, block) in blocks.into_iter().flatten().enumerate() {
        let Some(block) = block.members() else {
            continue;
        };
        let mut place = place.to_vec();
        place.push(Step::Index(index));
        match block.last("type").and_then(JsonView::text).as_deref() {
            Some("tool_result") if is_top => {
                place.push(Step::Key("content"));
                gather(block.last("content"), &place, into, false);
            }
            Some(kind @ ("image" | "document")) => {
                let is_image = kind == "image";
                into.extend(source(block, place, is_image));
            }
            _ => {}
        }
    }
}

fn source<'v, 'a>(
    block: &'v ObjectView<'a>,
    mut place: Vec<Step>,
    is_image: bool,
) -> Option<Media<'v, 'a>> {
    let source = block.last("source")?.members()?;
    let text = |key| source.last(key).and_then(JsonView::text);
    // What stands elsewhere cannot be seen here.
    if text("type").as_deref() != Some("base64") {
        return None;
    }
    place.extend([Step::Key("source"), Step::Key("data")]);
    Some(Media {
        place,
        is_image,
        told_type: text("media_type").map(std::borrow::Cow::into_owned),
        data: source.last("data")?,
    })
}

impl Media<'_, '_> {
    fn look_over(&self, request: &Draft<'_, '_>, among_many: bool, faults: &mut Faults) {
        let Some(text) = self.data.text() else {
            faults.at(
                Rule::Base64,
                &self.place,
                "is no text: write the bytes as base64",
            );
            return;
        };
        let text = &*text;
        if let Some(why) = no_base64(text) {
            faults.at(Rule::Base64, &self.place, why);
            return;
        }
        let bytes = decoded_len(text);
        let head = BASE64
            .decode(&text[..text.len().min(HEAD)])
            .unwrap_or_default();
        if self.is_image {
            self.image(request, bytes, &head, among_many, faults);
        } else {
            self.document(&head, faults);
        }
    }

    fn image(
        &self,
        request: &Draft<'_, '_>,
        bytes: u64,
        head: &[u8],
        among_many: bool,
        faults: &mut Faults,
    ) {
        let most = if request.to.first_party {
            MOST_BYTES
        } else {
            MOST_BYTES_ELSEWHERE
        };
        if bytes > most {
            faults.at(
                Rule::Image,
                &self.place,
                format_args!(
                    "is a picture of {} bytes, and {} are allowed: make it smaller",
                    thousands(bytes),
                    thousands(most)
                ),
            );
        }
        let Some(kind) = kind_of(head) else {
            faults.at(
                Rule::Image,
                &self.place,
                "is no picture that the API reads: send a JPEG, PNG, GIF or WebP",
            );
            return;
        };
        if self.told_type.as_deref() != Some(kind) {
            let told = shown(self.told_type.as_deref().unwrap_or("nothing"));
            faults.at(
                Rule::Image,
                &self.place,
                format_args!("is {kind} by its bytes, but `media_type` says {told}: write {kind}"),
            );
        }
        let Ok(size) = imagesize::blob_size(head) else {
            return;
        };
        let most = if among_many {
            MOST_PIXELS_OF_MANY
        } else {
            MOST_PIXELS
        };
        if size.width.max(size.height) > most {
            let among = if among_many {
                " among more than 20"
            } else {
                ""
            };
            faults.at(
                Rule::Image,
                &self.place,
                format_args!(
                    "is a picture of {} by {} pixels, and {} a side are allowed{among}: make it smaller",
                    size.width,
                    size.height,
                    thousands(most as u64)
                ),
            );
        }
    }

    fn document(&self, head: &[u8], faults: &mut Faults) {
        // Readers look for the mark in the first kilobyte.
        let is_pdf = memchr::memmem::find(&head[..head.len().min(1024)], b"%PDF-").is_some();
        if self.told_type.as_deref() == Some("application/pdf") && !is_pdf {
            faults.at(
                Rule::Document,
                &self.place,
                "is no PDF by its bytes: send the file itself, as base64",
            );
        }
    }
}

/// The kind of picture by its first bytes, as `media_type` calls it.
fn kind_of(head: &[u8]) -> Option<&'static str> {
    use imagesize::ImageType;
    // The four that the API reads.
    match imagesize::image_type(head).ok()? {
        ImageType::Jpeg => Some("image/jpeg"),
        ImageType::Png => Some("image/png"),
        ImageType::Gif => Some("image/gif"),
        ImageType::Webp => Some("image/webp"),
        _ => None,
    }
}

/// Why a text is no base64, if it is none.
fn no_base64(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("is empty: write the bytes as base64".to_owned());
    }
    if text.starts_with("data:") {
        return Some(
            "begins with `data:`: write only what comes behind the comma, and the type into `media_type`"
                .to_owned(),
        );
    }
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let digits = text.trim_end_matches('=');
    match digits.bytes().position(|byte| !is_part(byte)) {
        Some(at) => {
            let odd = digits[at..].chars().next().unwrap_or_default();
            let place = thousands(at as u64 + 1);
            Some(format!("is no base64: its character {place} is {odd:?}"))
        }
        None if text.len() - digits.len() > 2 || digits.len() % 4 == 1 => {
            Some("is base64 that was cut off: write all of it".to_owned())
        }
        None => None,
    }
}

fn decoded_len(text: &str) -> u64 {
    let digits = text.trim_end_matches('=').len() as u64;
    digits * 3 / 4
}

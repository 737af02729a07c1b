//! Which of two endpoints a request goes to.

/// The user may name a second endpoint, for when the first does not work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// The API at the base URL.
    #[default]
    First,
    /// The one that takes its place while it does not work.
    Second,
}

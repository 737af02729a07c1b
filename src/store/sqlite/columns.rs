//! Lists of columns that are read by their position.
//!
//! A name is looked up by comparing it with the name of every column, for every value of every row: a
//! third of the time that an export took. So what is read of many rows is read by position, and each
//! position stands beside the SQL that fills it, so that the two cannot drift apart.

/// A module with the `LIST` that a query selects, one constant for the position of each column, and the
/// `COUNT` of them: what a query selects after the list begins there.
macro_rules! columns {
    (
        $(#[$about:meta])*
        $name:ident: $first:ident = $first_sql:literal $(, $column:ident = $sql:literal)* $(,)?
    ) => {
        $(#[$about])*
        pub(super) mod $name {
            #![allow(dead_code, reason = "some lists are never followed by another, some only that")]

            /// What the query selects.
            pub(in crate::store::sqlite) const LIST: &str = concat!($first_sql $(, ", ", $sql)*);
            /// How many columns that are.
            pub(in crate::store::sqlite) const COUNT: usize =
                [stringify!($first) $(, stringify!($column))*].len();

            #[allow(clippy::upper_case_acronyms, non_camel_case_types, reason = "named as constants")]
            enum Position { $first $(, $column)* }

            pub(in crate::store::sqlite) const $first: usize = Position::$first as usize;
            $(pub(in crate::store::sqlite) const $column: usize = Position::$column as usize;)*
        }
    };
}

pub(super) use columns;

use super::PriceTable;

#[test]
fn the_embedded_table_is_read() {
    assert_eq!(PriceTable::embedded().version(), "2026-11-22");
}

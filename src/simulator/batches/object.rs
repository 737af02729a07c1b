//! A batch as the API shows it.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::batch::Batch;
use super::records::ItemOutcome;
use super::settings::{ShortAs, ToldCounts};
use crate::simulator::time::rfc3339_micros;
use crate::simulator::world::World;

/// The object of a batch as it stands; `host` is where the client asked.
pub(super) fn object(batch: &Batch, world: &World, host: &str, now: Instant) -> Value {
    let settings = &world.settings.batches;
    let state = batch.state();
    let time = |at: Instant| {
        let text = rfc3339_micros(world.epoch.wall_at(at));
        if settings.numeric_offset {
            text.replace('Z', "+00:00")
        } else {
            text
        }
    };
    let archived = batch.timing.archived();
    let archived = (state.ended_at.is_some() && archived <= now).then_some(archived);
    let short = settings.short_as == ShortAs::Missing && state.downloads < settings.short_downloads;
    let archived_or_short = archived.is_some() || short;
    let results_url = (state.ended_at.is_some() && !archived_or_short)
        .then(|| format!("http://{host}/v1/messages/batches/{}/results", batch.id));
    let told = settings.counts_grow || state.ended_at.is_some();
    let count = |outcome| if told { state.ended_as(outcome) } else { 0 };
    let counts = ItemOutcome::ALL.map(count);
    let processing = batch.count - counts.iter().sum::<u32>();
    let [succeeded, errored, canceled, expired] = match settings.told_counts {
        ToldCounts::Zero if state.ended_at.is_some() => [0; 4],
        ToldCounts::Succeeded if state.ended_at.is_some() => [batch.count, 0, 0, 0],
        _ => counts,
    };
    json!({
        "id": batch.id,
        "type": "message_batch",
        "processing_status": state.status(),
        "request_counts": {
            "processing": processing,
            "succeeded": succeeded,
            "errored": errored,
            "canceled": canceled,
            "expired": expired,
        },
        "created_at": time(batch.timing.created),
        "expires_at": time(batch.timing.expires()),
        "ended_at": state.ended_at.map(time),
        "cancel_initiated_at": state.canceled_at.map(time),
        "archived_at": archived.map(time),
        "results_url": results_url,
    })
}

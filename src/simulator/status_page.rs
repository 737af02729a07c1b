//! The imitation of the public status page.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::time::{Epoch, rfc3339_micros};

/// What the status page says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImitatedPage {
    /// The page's indicator.
    pub indicator: Indicator,
    /// Whether clients get a challenge (405, HTML) in place of JSON, as reported of the real page.
    pub challenge: bool,
}

/// How bad things are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Indicator {
    /// All systems operational.
    #[default]
    None,
    /// Degraded.
    Minor,
    /// A partial outage.
    Major,
    /// A major outage.
    Critical,
}

impl ImitatedPage {
    /// The body of `status.json`.
    pub(super) fn status(&self, epoch: &Epoch) -> Value {
        json!({"page": page(epoch), "status": {
            "indicator": self.indicator,
            "description": self.description(),
        }})
    }

    /// The body of `summary.json`.
    pub(super) fn summary(&self, epoch: &Epoch) -> Value {
        let mut summary = self.status(epoch);
        summary["components"] = json!([
            component(
                "k8w3r06qmzrp",
                "Claude API (api.anthropic.com)",
                self.component_status()
            ),
            component("rwppv331jlwc", "claude.ai", "operational"),
        ]);
        summary["incidents"] = self.incidents(epoch);
        summary["scheduled_maintenances"] = json!([]);
        summary
    }

    fn description(&self) -> &'static str {
        match self.indicator {
            Indicator::None => "All Systems Operational",
            Indicator::Minor => "Minor Service Outage",
            Indicator::Major => "Partial System Outage",
            Indicator::Critical => "Major Service Outage",
        }
    }

    fn component_status(&self) -> &'static str {
        match self.indicator {
            Indicator::None => "operational",
            Indicator::Minor => "degraded_performance",
            Indicator::Major => "partial_outage",
            Indicator::Critical => "major_outage",
        }
    }

    fn incidents(&self, epoch: &Epoch) -> Value {
        if self.indicator == Indicator::None {
            return json!([]);
        }
        let now = rfc3339_micros(epoch.wall_now());
        json!([{
            "id": "s1mul4t3d1nc", "name": "Elevated errors (simulated)", "status": "investigating",
            "impact": self.indicator, "started_at": now, "created_at": now, "updated_at": now,
            "resolved_at": null, "shortlink": "https://stspg.io/simulated",
            "incident_updates": [], "components": [],
        }])
    }
}

fn page(epoch: &Epoch) -> Value {
    json!({
        "id": "tymt9n04zgry",
        "name": "Claude",
        "url": "https://status.claude.com",
        "time_zone": "Etc/UTC",
        "updated_at": rfc3339_micros(epoch.wall_now()),
    })
}

fn component(id: &str, name: &str, status: &str) -> Value {
    json!({"id": id, "name": name, "status": status, "group": false})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_indicator_shows_everywhere() {
        let page = ImitatedPage {
            indicator: Indicator::Major,
            challenge: false,
        };
        let summary = page.summary(&Epoch::begin());
        assert_eq!(summary["status"]["indicator"], "major");
        assert_eq!(summary["components"][0]["status"], "partial_outage");
        assert_eq!(summary["incidents"][0]["impact"], "major");
        let quiet = ImitatedPage::default().summary(&Epoch::begin());
        assert_eq!(quiet["status"]["indicator"], "none");
        assert_eq!(quiet["incidents"], json!([]));
    }
}

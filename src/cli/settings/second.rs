//! The second endpoint, from the config file alone: it is a matter of the place and not of a run.

use std::collections::BTreeMap;
use std::time::Duration;

use super::keys::{
    SECOND_AFTER, SECOND_ALLOW_FOREIGN_KEY_ENV, SECOND_API_KEY_ENV, SECOND_BASE_URL,
    SECOND_HEADERS, SECOND_MODELS,
};
use super::layers::{By, Layers};
use super::{Key, SecondEndpointSettings, Setting};
use crate::cli::config_file::ConfigFile;
use crate::cli::failure::Failure;

/// Longer than the short outages, which cost less than a second bill.
const DEFAULT_AFTER: Duration = Duration::from_mins(5);

impl Layers {
    pub(super) fn second_endpoint(
        &self,
        file: &ConfigFile,
    ) -> Result<SecondEndpointSettings, Failure> {
        let table = &file.fallback.endpoint;
        let only_with_a_url = table.api_key_env.is_some()
            || table.allow_foreign_key_env.is_some()
            || table.headers.is_some()
            || table.after.is_some()
            || table.models.is_some();
        if only_with_a_url && table.base_url.is_none() {
            return Err(Failure::usage(
                "[fallback.endpoint] has no base_url",
                "add base_url = \"https://...\" to it, or remove the table",
            )
            .because("without one there is no second endpoint, and the other keys mean nothing"));
        }
        let base_url = table.base_url.as_ref().map(|url| Some(url.0.clone()));
        let api_key_env = table.api_key_env.as_ref().map(|name| Some(name.0.clone()));
        let headers = table.headers.as_ref().map(|headers| headers.0.clone());
        let after = table.after.map(|wait| wait.0);
        Ok(SecondEndpointSettings {
            base_url: self.of_file(&SECOND_BASE_URL, None, base_url),
            api_key_env: self.of_file(&SECOND_API_KEY_ENV, None, api_key_env),
            allow_foreign_key_env: self.of_file(
                &SECOND_ALLOW_FOREIGN_KEY_ENV,
                false,
                table.allow_foreign_key_env,
            ),
            headers: self.of_file(&SECOND_HEADERS, Vec::new(), headers),
            after: self.of_file(&SECOND_AFTER, DEFAULT_AFTER, after),
            models: self.of_file(&SECOND_MODELS, BTreeMap::new(), table.models.clone()),
        })
    }

    fn of_file<T>(&self, key: &Key, default: T, file: Option<T>) -> Setting<T> {
        let by = By {
            file,
            ..By::nobody()
        };
        self.pick(key, default, by)
    }
}

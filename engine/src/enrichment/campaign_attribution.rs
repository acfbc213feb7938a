//! Enrichment `campaign_attribution`: marketing columns from the query string of the page.
//!
//! Runs only for a page with a readable query string (Scala Common Enrich 0.34.0,
//! `CampaignAttributionEnrichment`). Option `mapping` is ignored there too.

use crate::event::Field;
use crate::json::Value;
use crate::text::clean::tsv_safe;

use super::config::EnrichmentConfig;
use super::draft::Draft;
use super::environment::Environment;
use super::failures::Interrupt;
use super::registry::Enrichment;

/// Click ids that are known without configuration: parameter and network.
const CLICK_IDS: [(&str, &str); 3] = [
    ("gclid", "Google"),
    ("msclkid", "Microsoft"),
    ("dclid", "DoubleClick"),
];

/// The enrichment: names of parameters, of which the first one that the page has counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CampaignAttribution {
    /// For `mkt_medium`.
    pub medium: Vec<String>,
    /// For `mkt_source`.
    pub source: Vec<String>,
    /// For `mkt_term`.
    pub term: Vec<String>,
    /// For `mkt_content`.
    pub content: Vec<String>,
    /// For `mkt_campaign`.
    pub campaign: Vec<String>,
    /// For `mkt_clickid` and `mkt_network`: parameter and network.
    pub click_ids: Vec<(String, String)>,
}

/// Makes the enrichment.
///
/// # Errors
/// The reference's texts.
pub fn build(
    config: &EnrichmentConfig,
    _environment: &Environment,
) -> Result<Box<dyn Enrichment>, Vec<String>> {
    let enrichment = CampaignAttribution::from_config(config)?;
    Ok(Box::new(enrichment))
}

impl CampaignAttribution {
    /// Reads `parameters.fields`.
    ///
    /// # Errors
    /// The reference's texts.
    pub fn from_config(config: &EnrichmentConfig) -> Result<Self, Vec<String>> {
        let mut failures = Vec::new();
        let mut names = |field: &str| {
            let texts = config.texts(&["parameters", "fields", field]);
            let texts = texts
                .map_err(|text| failures.push(text))
                .unwrap_or_default();
            texts.into_iter().map(str::to_owned).collect()
        };
        let enrichment = Self {
            medium: names("mktMedium"),
            source: names("mktSource"),
            term: names("mktTerm"),
            content: names("mktContent"),
            campaign: names("mktCampaign"),
            click_ids: click_ids(config),
        };
        match failures.is_empty() {
            true => Ok(enrichment),
            false => Err(failures),
        }
    }
}

/// The known click ids, changed and extended by the configuration. The reference's order is this one
/// up to four pairs, that of a hash map beyond.
fn click_ids(config: &EnrichmentConfig) -> Vec<(String, String)> {
    let owned = |(name, network): (&str, &str)| (name.to_owned(), network.to_owned());
    let mut pairs: Vec<_> = CLICK_IDS.into_iter().map(owned).collect();
    let configured = config.value(&["parameters", "fields", "mktClickId"]);
    for (name, network) in configured
        .ok()
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let network = network.as_str().unwrap_or_default().to_owned();
        match pairs.iter_mut().find(|(known, _)| known == name) {
            Some(pair) => pair.1 = network,
            None => pairs.push((name.to_string(), network)),
        }
    }
    pairs
}

impl Enrichment for CampaignAttribution {
    fn apply(&self, draft: &mut Draft<'_>) -> Result<(), Interrupt> {
        if draft.page_querystring.as_ref().is_none_or(Vec::is_empty) {
            return Ok(());
        }
        for (field, names) in [
            (Field::MktMedium, &self.medium),
            (Field::MktSource, &self.source),
            (Field::MktTerm, &self.term),
            (Field::MktContent, &self.content),
            (Field::MktCampaign, &self.campaign),
        ] {
            if let Some(name) = names
                .iter()
                .find(|name| draft.page_parameter(name).is_some())
            {
                set(draft, field, name);
            }
        }
        let present = |(name, _): &&(String, String)| draft.page_parameter(name).is_some();
        if let Some((name, network)) = self.click_ids.iter().find(present) {
            set(draft, Field::MktClickid, name);
            let network = tsv_safe(network);
            draft
                .event
                .set_or_clear(Field::MktNetwork, network.as_deref());
        }
        Ok(())
    }
}

/// Sets a column to the value of a parameter of the page; an empty one is null.
fn set(draft: &mut Draft<'_>, field: Field, name: &str) {
    // not draft.page_parameter: the columns are written while the pairs are read
    let pairs = draft.page_querystring.as_deref().unwrap_or_default();
    let pair = pairs.iter().rev().find(|(n, _)| n == name);
    let value = pair.and_then(|(_, value)| tsv_safe(value.as_deref()?));
    draft.event.set_or_clear(field, value.as_deref());
}

#[cfg(test)]
mod tests {
    use super::super::tests::config_of as config;
    use super::super::tests::raw_event;
    use super::*;

    const SAMPLE: &str = r#"{"parameters":{"mapping":"script","fields":{
        "mktMedium":["utm_medium","medium"],"mktSource":["utm_source","source"],"mktTerm":["utm_term","legacy_term"],
        "mktContent":["utm_content"],"mktCampaign":["utm_campaign","cid","legacy_campaign"]}}}"#;

    fn columns(settings: &str, pairs: &[(&str, Option<&str>)]) -> Vec<(&'static str, String)> {
        let raw = raw_event(&[]);
        let mut draft = Draft::new(&raw);
        let owned =
            |(name, value): &(&str, Option<&str>)| ((*name).to_owned(), value.map(str::to_owned));
        draft.page_querystring = Some(pairs.iter().map(owned).collect());
        let enrichment = CampaignAttribution::from_config(&config(settings)).unwrap();
        enrichment.apply(&mut draft).unwrap();
        let values = draft.event.values();
        values
            .map(|(field, value)| (field.name(), value.to_owned()))
            .collect()
    }

    fn pair(name: &'static str, value: &str) -> (&'static str, String) {
        (name, value.to_owned())
    }

    #[test]
    fn the_first_name_that_is_present_counts() {
        let found = columns(
            SAMPLE,
            &[
                ("source", Some("bad")),
                ("utm_source", Some("first")),
                ("utm_source", Some("Google\tSearch\u{1}")),
                ("legacy_term", Some("bad")),
                ("utm_term", Some("native american tarot deck")),
                ("Medium", Some("case matters")),
                ("cid", Some("uk")),
                ("legacy_campaign", Some("bad")),
            ],
        );
        assert_eq!(
            found,
            [
                pair("mkt_source", "Google    Search"),
                pair("mkt_term", "native american tarot deck"),
                pair("mkt_campaign", "uk"),
            ]
        );
    }

    #[test]
    fn an_empty_value_is_present_and_null() {
        let found = columns(
            SAMPLE,
            &[
                ("utm_medium", Some("")),
                ("medium", Some("cpc")),
                ("utm_source", None),
                ("source", Some("x")),
                ("utm_content", Some("\r\n")),
            ],
        );
        assert_eq!(found, []);
        assert_eq!(columns(SAMPLE, &[]), []);
    }

    #[test]
    fn click_ids_in_their_order() {
        let found = columns(SAMPLE, &[("dclid", Some("2")), ("msclkid", Some("500"))]);
        assert_eq!(
            found,
            [pair("mkt_clickid", "500"), pair("mkt_network", "Microsoft")]
        );
        assert_eq!(
            columns(SAMPLE, &[("gclid", Some(""))]),
            [pair("mkt_network", "Google")]
        );
        let custom = r#"{"parameters":{"fields":{"mktMedium":[],"mktSource":[],"mktTerm":[],"mktContent":[],"mktCampaign":[],
            "mktClickId":{"customclid":"Custom","gclid":"Override","z":"Z\t"}}}}"#;
        let enrichment = CampaignAttribution::from_config(&config(custom)).unwrap();
        let names: Vec<_> = enrichment
            .click_ids
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, ["gclid", "msclkid", "dclid", "customclid", "z"]);
        let found = columns(
            custom,
            &[
                ("utm_medium", Some("a")),
                ("gclid", Some("1")),
                ("z", Some("2")),
            ],
        );
        assert_eq!(
            found,
            [pair("mkt_clickid", "1"), pair("mkt_network", "Override")]
        );
        assert_eq!(
            columns(custom, &[("z", Some("2"))]),
            [pair("mkt_clickid", "2"), pair("mkt_network", "Z    ")]
        );
    }

    #[test]
    fn all_missing_lists_are_told() {
        let failures = CampaignAttribution::from_config(&config(
            r#"{"parameters":{"fields":{"mktTerm":[1]}}}"#,
        ))
        .unwrap_err();
        assert_eq!(failures.len(), 5, "{failures:?}");
        assert_eq!(
            failures[0],
            "JSON path parameters.fields.mktMedium not found"
        );
    }
}

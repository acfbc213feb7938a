//! The failure texts of one event and their order in the bad row.

/// Steps that can fail an event, in the order in which their texts stand in the bad row. The steps
/// run in another order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureStep {
    /// Decoding of the collector's user agent.
    Useragent,
    /// Collector timestamp.
    CollectorTstamp,
    /// Derived timestamp.
    DerivedTstamp,
    /// Enrichment `user_agent_utils_config`.
    UserAgentUtils,
    /// Enrichment `ua_parser_config`.
    UaParser,
    /// A collector version must be there.
    CollectorVersion,
    /// Page URI.
    PageUri,
    /// Cross-domain parameter `_sp`.
    CrossDomain,
    /// Referrer URI.
    RefererUri,
    /// Tracker parameters, first pass.
    Parameters,
    /// Enrichment `currency_conversion_config`.
    CurrencyConversion,
    /// Tracker parameters, second pass.
    SecondPass,
    /// Query string of the page.
    PageQuerystring,
    /// Enrichment `javascript_script_config`.
    Javascript,
    /// Validation of the custom contexts.
    CustomContexts,
    /// Validation of the self-describing event.
    UnstructEvent,
    /// Enrichment `api_request_enrichment_config`.
    ApiRequest,
    /// Enrichment `sql_query_enrichment_config`.
    SqlQuery,
    /// Vendor, name, format and version of the event.
    EventSchema,
    /// Enrichment `weather_enrichment_config`.
    Weather,
    /// Enrichment `iab_spiders_and_robots_enrichment`.
    Iab,
}

impl FailureStep {
    /// The name of the configurable enrichment whose step this is.
    pub fn enrichment(self) -> Option<&'static str> {
        Some(match self {
            Self::UserAgentUtils => "user_agent_utils_config",
            Self::UaParser => "ua_parser_config",
            Self::CurrencyConversion => "currency_conversion_config",
            Self::Javascript => "javascript_script_config",
            Self::ApiRequest => "api_request_enrichment_config",
            Self::SqlQuery => "sql_query_enrichment_config",
            Self::Weather => "weather_enrichment_config",
            Self::Iab => "iab_spiders_and_robots_enrichment",
            _ => return None,
        })
    }
}

/// The texts that the steps of one event left so far.
#[derive(Debug, Default)]
pub struct Failures {
    texts: Vec<(FailureStep, String)>,
}

impl Failures {
    /// Adds a text of a step, after those that this step added before.
    pub fn push(&mut self, step: FailureStep, text: String) {
        self.texts.push((step, text));
    }

    /// Adds the error of a result; gives its value.
    pub fn keep<T>(&mut self, step: FailureStep, result: Result<T, String>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(text) => {
                self.push(step, text);
                None
            }
        }
    }

    /// Whether `step` left a text.
    pub fn has(&self, step: FailureStep) -> bool {
        self.texts.iter().any(|(s, _)| *s == step)
    }

    /// Whether no step left a text.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The configurable enrichments that left texts, each once.
    pub fn enrichments(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for (step, _) in &self.texts {
            if let Some(name) = step.enrichment()
                && !names.contains(&name)
            {
                names.push(name);
            }
        }
        names
    }

    /// All texts in the order of the bad row.
    pub fn into_texts(mut self) -> Vec<String> {
        // stable: texts of one step keep their order
        self.texts.sort_by_key(|(step, _)| *step);
        self.texts.into_iter().map(|(_, text)| text).collect()
    }
}

/// What the reference's code did not expect: an exception that leaves the whole pipeline and costs
/// all events of the record. Holds the exception as Java prints it, `class: message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unexpected(pub String);

/// Why the steps of an event stopped before their end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interrupt {
    /// The record is lost.
    Unexpected(Unexpected),
    /// A question to a service has no answer yet. It is noted in the
    /// [`Session`](super::lookup::Session); once it is answered, the event is enriched anew.
    Pending,
}

impl From<Unexpected> for Interrupt {
    fn from(unexpected: Unexpected) -> Self {
        Self::Unexpected(unexpected)
    }
}

/// Why there is no enriched event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnrichFailure {
    /// Questions to services are open: ask them, then enrich the whole record anew.
    Pending,
    /// The event is bad: the texts of its bad row, in order. Other events of the record are not
    /// concerned.
    Rejected(Vec<String>),
    /// The record is bad: all its events are lost, also those that are enriched already, and it
    /// becomes one bad row with this one text.
    Unexpected(String),
}

impl From<Interrupt> for EnrichFailure {
    fn from(interrupt: Interrupt) -> Self {
        match interrupt {
            Interrupt::Unexpected(unexpected) => unexpected.into(),
            Interrupt::Pending => Self::Pending,
        }
    }
}

impl From<Unexpected> for EnrichFailure {
    fn from(unexpected: Unexpected) -> Self {
        // the reference prints a stack trace here, of which only the first line can be told
        Self::Unexpected(format!(
            "Unexpected error processing events: {}\n",
            unexpected.0
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_out_in_the_order_of_the_bad_row() {
        let mut failures = Failures::default();
        assert!(failures.is_empty());
        failures.push(FailureStep::EventSchema, "schema".into());
        failures.push(FailureStep::Parameters, "b".into());
        failures.push(FailureStep::Parameters, "a".into());
        failures.push(FailureStep::Iab, "iab".into());
        failures.push(FailureStep::Useragent, "ua".into());
        assert_eq!(failures.keep(FailureStep::PageUri, Ok(1)), Some(1));
        let failed: Result<(), _> = Err("page".into());
        assert_eq!(failures.keep(FailureStep::PageUri, failed), None);
        assert!(failures.has(FailureStep::PageUri));
        assert!(!failures.has(FailureStep::Weather));
        assert!(!failures.is_empty());
        failures.push(FailureStep::Iab, "again".into());
        assert_eq!(
            failures.enrichments(),
            ["iab_spiders_and_robots_enrichment"]
        );
        assert_eq!(
            failures.into_texts(),
            ["ua", "page", "b", "a", "schema", "iab", "again"]
        );
    }

    #[test]
    fn steps_of_enrichments_have_their_names() {
        use super::super::registry::KNOWN;
        let steps = [
            FailureStep::UserAgentUtils,
            FailureStep::UaParser,
            FailureStep::CurrencyConversion,
            FailureStep::Javascript,
            FailureStep::ApiRequest,
            FailureStep::SqlQuery,
            FailureStep::Weather,
            FailureStep::Iab,
        ];
        for step in steps {
            let name = step.enrichment().unwrap();
            assert!(KNOWN.iter().any(|known| known.name == name), "{name}");
        }
        assert_eq!(FailureStep::PageUri.enrichment(), None);
    }

    #[test]
    fn an_exception_is_one_text() {
        assert_eq!(
            EnrichFailure::from(Unexpected("java.lang.NullPointerException".into())),
            EnrichFailure::Unexpected(
                "Unexpected error processing events: java.lang.NullPointerException\n".into()
            )
        );
    }
}

//! The 131 columns of an enriched event: one table of order, name, kind and greatest length.
//!
//! Order and names are those of the enriched event of Scala Common Enrich 0.34.0 (its internal
//! field `pii` is no column). The greatest lengths are those that RDB Shredder R29 cuts to for the
//! table `atomic.events` 0.10.0; enrich itself cuts nothing.

/// Number of columns.
pub const FIELD_COUNT: usize = Field::ALL.len();

/// What a column holds in the reference's memory. In the TSV everything is text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// Text, formatted decimals and timestamps among it.
    Text,
    /// A 32-bit integer in decimal.
    Integer,
    /// A 32-bit float as `Float.toString` prints it.
    Float,
    /// `0` or `1`.
    Flag,
    /// A self-describing JSON, without a column in `atomic.events`.
    Json,
}

macro_rules! fields {
    ($($variant:ident = $name:literal, $kind:ident, $length:expr;)*) => {
        /// A column of the enriched event; its number is the 0-based place in the TSV.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Field {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl Field {
            /// All columns in the order of the TSV.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$variant),*];

            const NAMES: [&'static str; Self::ALL.len()] = [$($name),*];
            const KINDS: [FieldKind; Self::ALL.len()] = [$(FieldKind::$kind),*];
            const LENGTHS: [Option<u16>; Self::ALL.len()] = [$($length),*];

            /// The column of that name. For start-up and look-ups by configuration, not for every event.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

fields! {
    AppId = "app_id", Text, Some(255);
    Platform = "platform", Text, Some(255);
    EtlTstamp = "etl_tstamp", Text, None;
    CollectorTstamp = "collector_tstamp", Text, None;
    DvceCreatedTstamp = "dvce_created_tstamp", Text, None;
    Event = "event", Text, Some(128);
    EventId = "event_id", Text, Some(36);
    TxnId = "txn_id", Text, None;
    NameTracker = "name_tracker", Text, Some(128);
    VTracker = "v_tracker", Text, Some(100);
    VCollector = "v_collector", Text, Some(100);
    VEtl = "v_etl", Text, Some(100);
    UserId = "user_id", Text, Some(255);
    UserIpaddress = "user_ipaddress", Text, Some(128);
    UserFingerprint = "user_fingerprint", Text, Some(128);
    DomainUserid = "domain_userid", Text, Some(128);
    DomainSessionidx = "domain_sessionidx", Integer, None;
    NetworkUserid = "network_userid", Text, Some(128);
    GeoCountry = "geo_country", Text, Some(2);
    GeoRegion = "geo_region", Text, Some(2);
    GeoCity = "geo_city", Text, Some(75);
    GeoZipcode = "geo_zipcode", Text, Some(15);
    GeoLatitude = "geo_latitude", Float, None;
    GeoLongitude = "geo_longitude", Float, None;
    GeoRegionName = "geo_region_name", Text, Some(100);
    IpIsp = "ip_isp", Text, Some(100);
    IpOrganization = "ip_organization", Text, Some(128);
    IpDomain = "ip_domain", Text, Some(128);
    IpNetspeed = "ip_netspeed", Text, Some(100);
    PageUrl = "page_url", Text, Some(4096);
    PageTitle = "page_title", Text, Some(2000);
    PageReferrer = "page_referrer", Text, Some(4096);
    PageUrlscheme = "page_urlscheme", Text, Some(16);
    PageUrlhost = "page_urlhost", Text, Some(255);
    PageUrlport = "page_urlport", Integer, None;
    PageUrlpath = "page_urlpath", Text, Some(3000);
    PageUrlquery = "page_urlquery", Text, Some(6000);
    PageUrlfragment = "page_urlfragment", Text, Some(3000);
    RefrUrlscheme = "refr_urlscheme", Text, Some(16);
    RefrUrlhost = "refr_urlhost", Text, Some(255);
    RefrUrlport = "refr_urlport", Integer, None;
    RefrUrlpath = "refr_urlpath", Text, Some(6000);
    RefrUrlquery = "refr_urlquery", Text, Some(6000);
    RefrUrlfragment = "refr_urlfragment", Text, Some(3000);
    RefrMedium = "refr_medium", Text, Some(25);
    RefrSource = "refr_source", Text, Some(50);
    RefrTerm = "refr_term", Text, Some(255);
    MktMedium = "mkt_medium", Text, Some(255);
    MktSource = "mkt_source", Text, Some(255);
    MktTerm = "mkt_term", Text, Some(255);
    MktContent = "mkt_content", Text, Some(500);
    MktCampaign = "mkt_campaign", Text, Some(255);
    Contexts = "contexts", Json, None;
    SeCategory = "se_category", Text, Some(1000);
    SeAction = "se_action", Text, Some(1000);
    SeLabel = "se_label", Text, Some(4096);
    SeProperty = "se_property", Text, Some(1000);
    SeValue = "se_value", Text, None;
    UnstructEvent = "unstruct_event", Json, None;
    TrOrderid = "tr_orderid", Text, Some(255);
    TrAffiliation = "tr_affiliation", Text, Some(255);
    TrTotal = "tr_total", Text, None;
    TrTax = "tr_tax", Text, None;
    TrShipping = "tr_shipping", Text, None;
    TrCity = "tr_city", Text, Some(255);
    TrState = "tr_state", Text, Some(255);
    TrCountry = "tr_country", Text, Some(255);
    TiOrderid = "ti_orderid", Text, Some(255);
    TiSku = "ti_sku", Text, Some(255);
    TiName = "ti_name", Text, Some(255);
    TiCategory = "ti_category", Text, Some(255);
    TiPrice = "ti_price", Text, None;
    TiQuantity = "ti_quantity", Integer, None;
    PpXoffsetMin = "pp_xoffset_min", Integer, None;
    PpXoffsetMax = "pp_xoffset_max", Integer, None;
    PpYoffsetMin = "pp_yoffset_min", Integer, None;
    PpYoffsetMax = "pp_yoffset_max", Integer, None;
    Useragent = "useragent", Text, Some(1000);
    BrName = "br_name", Text, Some(50);
    BrFamily = "br_family", Text, Some(50);
    BrVersion = "br_version", Text, Some(50);
    BrType = "br_type", Text, Some(50);
    BrRenderengine = "br_renderengine", Text, Some(50);
    BrLang = "br_lang", Text, Some(255);
    BrFeaturesPdf = "br_features_pdf", Flag, None;
    BrFeaturesFlash = "br_features_flash", Flag, None;
    BrFeaturesJava = "br_features_java", Flag, None;
    BrFeaturesDirector = "br_features_director", Flag, None;
    BrFeaturesQuicktime = "br_features_quicktime", Flag, None;
    BrFeaturesRealplayer = "br_features_realplayer", Flag, None;
    BrFeaturesWindowsmedia = "br_features_windowsmedia", Flag, None;
    BrFeaturesGears = "br_features_gears", Flag, None;
    BrFeaturesSilverlight = "br_features_silverlight", Flag, None;
    BrCookies = "br_cookies", Flag, None;
    BrColordepth = "br_colordepth", Text, Some(12);
    BrViewwidth = "br_viewwidth", Integer, None;
    BrViewheight = "br_viewheight", Integer, None;
    OsName = "os_name", Text, Some(50);
    OsFamily = "os_family", Text, Some(50);
    OsManufacturer = "os_manufacturer", Text, Some(50);
    OsTimezone = "os_timezone", Text, Some(255);
    DvceType = "dvce_type", Text, Some(50);
    DvceIsmobile = "dvce_ismobile", Flag, None;
    DvceScreenwidth = "dvce_screenwidth", Integer, None;
    DvceScreenheight = "dvce_screenheight", Integer, None;
    DocCharset = "doc_charset", Text, Some(128);
    DocWidth = "doc_width", Integer, None;
    DocHeight = "doc_height", Integer, None;
    TrCurrency = "tr_currency", Text, Some(3);
    TrTotalBase = "tr_total_base", Text, None;
    TrTaxBase = "tr_tax_base", Text, None;
    TrShippingBase = "tr_shipping_base", Text, None;
    TiCurrency = "ti_currency", Text, Some(3);
    TiPriceBase = "ti_price_base", Text, None;
    BaseCurrency = "base_currency", Text, Some(3);
    GeoTimezone = "geo_timezone", Text, Some(64);
    MktClickid = "mkt_clickid", Text, Some(128);
    MktNetwork = "mkt_network", Text, Some(64);
    EtlTags = "etl_tags", Text, Some(500);
    DvceSentTstamp = "dvce_sent_tstamp", Text, None;
    RefrDomainUserid = "refr_domain_userid", Text, Some(128);
    RefrDvceTstamp = "refr_dvce_tstamp", Text, None;
    DerivedContexts = "derived_contexts", Json, None;
    DomainSessionid = "domain_sessionid", Text, Some(128);
    DerivedTstamp = "derived_tstamp", Text, None;
    EventVendor = "event_vendor", Text, Some(1000);
    EventName = "event_name", Text, Some(1000);
    EventFormat = "event_format", Text, Some(128);
    EventVersion = "event_version", Text, Some(128);
    EventFingerprint = "event_fingerprint", Text, Some(128);
    TrueTstamp = "true_tstamp", Text, None;
}

impl Field {
    /// The 0-based place in the TSV.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name of the column.
    pub const fn name(self) -> &'static str {
        Self::NAMES[self.index()]
    }

    /// What the column holds.
    pub const fn kind(self) -> FieldKind {
        Self::KINDS[self.index()]
    }

    /// Whether the column holds a self-describing JSON and is no column of `atomic.events`.
    pub const fn is_json(self) -> bool {
        matches!(self.kind(), FieldKind::Json)
    }

    /// Greatest length in the atomic table, in UTF-16 code units; `None` when the column is not cut.
    pub const fn max_length(self) -> Option<u16> {
        Self::LENGTHS[self.index()]
    }

    /// The column at a 0-based place of the TSV.
    pub const fn from_index(index: usize) -> Option<Self> {
        if index < Self::ALL.len() {
            Some(Self::ALL[index])
        } else {
            None
        }
    }
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_number_are_those_of_the_tsv() {
        assert_eq!(FIELD_COUNT, 131);
        for (index, field) in Field::ALL.into_iter().enumerate() {
            assert_eq!(field.index(), index);
            assert_eq!(Field::from_index(index), Some(field));
            assert_eq!(Field::from_name(field.name()), Some(field));
        }
        assert_eq!(Field::from_index(131), None);
        assert_eq!(Field::from_name("pii"), None);
        assert_eq!(Field::from_name(""), None);
        let places = [
            (0, "app_id"),
            (6, "event_id"),
            (18, "geo_country"),
            (52, "contexts"),
            (58, "unstruct_event"),
            (77, "useragent"),
            (118, "etl_tags"),
            (122, "derived_contexts"),
            (130, "true_tstamp"),
        ];
        for (index, name) in places {
            assert_eq!(Field::from_index(index).map(Field::name), Some(name));
        }
    }

    #[test]
    fn kinds_and_lengths() {
        let json: Vec<_> = Field::ALL.into_iter().filter(|f| f.is_json()).collect();
        assert_eq!(
            json,
            [
                Field::Contexts,
                Field::UnstructEvent,
                Field::DerivedContexts
            ]
        );
        let of_kind = |kind| Field::ALL.iter().filter(|f| f.kind() == kind).count();
        assert_eq!(of_kind(FieldKind::Integer), 14);
        assert_eq!(of_kind(FieldKind::Float), 2);
        assert_eq!(of_kind(FieldKind::Flag), 11);
        assert_eq!(Field::SeLabel.max_length(), Some(4096));
        assert_eq!(Field::TrCurrency.max_length(), Some(3));
        assert_eq!(Field::CollectorTstamp.max_length(), None);
        assert_eq!(Field::UnstructEvent.max_length(), None);
        assert_eq!(Field::Event.to_string(), "event");
    }
}

//! One MaxMind database in memory, and what is read from its records.
//!
//! The file is read, not mapped: a mapped file that somebody replaces in place would end the job.

use std::net::{IpAddr, Ipv4Addr};

use maxminddb::Reader;
use serde::Deserialize;

use crate::event::Field;
use crate::text::java_number::float_to_string;

use super::{Columns, Kind, NoAnswer};

/// So many addresses, spread over all of IPv4, must be readable before the job starts.
const SAMPLES: u32 = 4096;

/// A database.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) kind: Kind,
    /// Its address, for messages.
    pub(super) name: String,
    reader: Reader<Vec<u8>>,
}

#[derive(Debug, Default, Deserialize)]
struct Names<'a> {
    #[serde(borrow, default)]
    en: Option<&'a str>,
}

/// What has a name in several languages.
#[derive(Debug, Default, Deserialize)]
struct Named<'a> {
    #[serde(borrow, default)]
    names: Names<'a>,
}

#[derive(Debug, Default, Deserialize)]
struct Country<'a> {
    #[serde(borrow, default)]
    iso_code: Option<&'a str>,
}

#[derive(Debug, Default, Deserialize)]
struct Subdivision<'a> {
    #[serde(borrow, default)]
    iso_code: Option<&'a str>,
    #[serde(borrow, default)]
    names: Names<'a>,
}

#[derive(Debug, Default, Deserialize)]
struct Postal<'a> {
    #[serde(borrow, default)]
    code: Option<&'a str>,
}

#[derive(Debug, Default, Deserialize)]
struct Place<'a> {
    #[serde(default)]
    latitude: Option<f64>,
    #[serde(default)]
    longitude: Option<f64>,
    #[serde(borrow, default)]
    time_zone: Option<&'a str>,
}

/// What is read of a record of the City databases.
#[derive(Debug, Deserialize)]
struct City<'a> {
    #[serde(borrow, default)]
    city: Named<'a>,
    #[serde(borrow, default)]
    country: Country<'a>,
    #[serde(borrow, default)]
    location: Place<'a>,
    #[serde(borrow, default)]
    postal: Postal<'a>,
    #[serde(borrow, default)]
    subdivisions: Vec<Subdivision<'a>>,
}

#[derive(Debug, Deserialize)]
struct Isp<'a> {
    #[serde(borrow, default)]
    isp: Option<&'a str>,
    #[serde(borrow, default)]
    organization: Option<&'a str>,
}

#[derive(Debug, Deserialize)]
struct Domain<'a> {
    #[serde(borrow, default)]
    domain: Option<&'a str>,
}

#[derive(Debug, Deserialize)]
struct Connection<'a> {
    #[serde(borrow, default)]
    connection_type: Option<&'a str>,
}

impl Database {
    /// A database from the content of its file, after a look at many of its records.
    pub(super) fn new(kind: Kind, name: &str, content: Vec<u8>) -> Result<Self, String> {
        let database = Self::open(kind, name, content)?;
        database.check_samples()?;
        Ok(database)
    }

    /// A database from the content of its file.
    pub(super) fn open(kind: Kind, name: &str, content: Vec<u8>) -> Result<Self, String> {
        let key = kind.key();
        let reader = Reader::from_source(content).map_err(|error| {
            format!(
                "{key}: {name} is no MaxMind database, or only a part of one ({error}); fetch it anew"
            )
        })?;
        let (found, wanted) = (&reader.metadata().database_type, kind.database_type());
        if !found.contains(wanted) {
            return Err(format!(
                "{key}: {name} is a database of type {found}, but {key} needs one whose type contains {wanted}; correct `uri` or `database`"
            ));
        }
        Ok(Self {
            kind,
            name: name.to_owned(),
            reader,
        })
    }

    /// Damage in the middle of a file is found here, unless it is small.
    fn check_samples(&self) -> Result<(), String> {
        let mut columns = Columns::default();
        for sample in 0..SAMPLES {
            // an odd factor reaches every address in the end, near ones far from each other
            let address = Ipv4Addr::from(sample.wrapping_mul(0x9e37_79b1));
            columns.text.clear();
            columns.ends.clear();
            if let Err(NoAnswer::Damaged(error)) = self.look_up(address.into(), &mut columns) {
                return Err(format!(
                    "{}: {} is damaged ({error}, when {address} was looked up); fetch it anew",
                    self.kind.key(),
                    self.name
                ));
            }
        }
        Ok(())
    }

    /// Adds what is known about an address.
    pub(super) fn look_up(&self, ip: IpAddr, columns: &mut Columns) -> Result<(), NoAnswer> {
        match self.kind {
            Kind::Geo => {
                let record = self.record::<City<'_>>(ip)?;
                let place = &record.location;
                // the smallest part of the country
                let region = record.subdivisions.last();
                let degrees = |value: Option<f64>| float_to_string(value.unwrap_or(0.0) as f32);
                columns.push(Field::GeoCountry, record.country.iso_code);
                columns.push(Field::GeoRegion, region.and_then(|region| region.iso_code));
                columns.push(Field::GeoCity, record.city.names.en);
                columns.push(Field::GeoZipcode, record.postal.code);
                columns.push(Field::GeoLatitude, Some(&degrees(place.latitude)));
                columns.push(Field::GeoLongitude, Some(&degrees(place.longitude)));
                columns.push(
                    Field::GeoRegionName,
                    region.and_then(|region| region.names.en),
                );
                columns.push(Field::GeoTimezone, place.time_zone);
            }
            Kind::Isp => {
                let record = self.record::<Isp<'_>>(ip)?;
                columns.push(Field::IpIsp, record.isp);
                columns.push(Field::IpOrganization, record.organization);
            }
            Kind::Domain => columns.push(Field::IpDomain, self.record::<Domain<'_>>(ip)?.domain),
            Kind::ConnectionType => {
                let record = self.record::<Connection<'_>>(ip)?;
                columns.push(Field::IpNetspeed, record.connection_type);
            }
        }
        Ok(())
    }

    fn record<'d, R: Deserialize<'d>>(&'d self, ip: IpAddr) -> Result<R, NoAnswer> {
        if ip.is_ipv6() && self.reader.metadata().ip_version == 4 {
            return Err(NoAnswer::AddressNotFound);
        }
        let found = self.reader.lookup(ip).and_then(|found| found.decode());
        match found {
            Ok(Some(record)) => Ok(record),
            Ok(None) => Err(NoAnswer::AddressNotFound),
            Err(error) => Err(NoAnswer::Damaged(error.to_string())),
        }
    }
}

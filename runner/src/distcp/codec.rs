//! The codecs of S3DistCp: input by the extension of a name, output by `--outputCodec`.

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::OutputCodec;
use super::lzop::{LzopReader, LzopWriter};

/// The plain bytes of a stored file, by the extension of its name.
///
/// # Errors
/// For an extension whose files are not read.
pub(super) fn decoder<'a>(name: &str, stored: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    if name.ends_with(".gz") {
        Ok(Box::new(MultiGzDecoder::new(stored)))
    } else if name.ends_with(".lzo") || name.ends_with(".lzop") {
        Ok(Box::new(LzopReader::new(stored)))
    } else if name.ends_with(".snappy") {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "snappy files are not read here: copy without outputCodec",
        ))
    } else {
        Ok(Box::new(stored))
    }
}

/// Writes with a codec.
pub(super) enum Encoder<W: Write> {
    /// Bytes as they are.
    Plain(W),
    /// One gzip member.
    Gzip(Box<GzEncoder<W>>),
    /// One lzop container.
    Lzop(LzopWriter<W>),
}

impl<W: Write> Encoder<W> {
    pub(super) fn new(inner: W, codec: Option<OutputCodec>) -> Self {
        match codec {
            Some(OutputCodec::Gzip) => {
                Self::Gzip(Box::new(GzEncoder::new(inner, Compression::default())))
            }
            Some(OutputCodec::Lzo) => Self::Lzop(LzopWriter::new(inner)),
            // Snappy was refused before.
            Some(OutputCodec::None | OutputCodec::Snappy) | None => Self::Plain(inner),
        }
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// When its end cannot be written.
    pub(super) fn finish(self) -> io::Result<W> {
        match self {
            Self::Plain(inner) => Ok(inner),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Lzop(writer) => writer.finish(),
        }
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(inner) => inner.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Lzop(writer) => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

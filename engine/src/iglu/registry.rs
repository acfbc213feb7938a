//! Registries: embedded in the engine, a folder, or a static site or Iglu Server over HTTP.

//! Events as text for people.
//! Takes events, gives lines and sentences.
//! Knows neither files nor sockets.

pub mod words;

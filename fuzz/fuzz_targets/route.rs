//! Any text as a route: it is refused with a sentence, or understood and written back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailtap::route::Route;

fuzz_target!(|text: &str| {
    match Route::parse(text) {
        Ok(route) => {
            let again = Route::parse(&route.to_string()).expect("what was written can be read");
            assert_eq!(again.to_string(), route.to_string());
        }
        Err(error) => assert!(!error.to_string().contains('\n')),
    }
});

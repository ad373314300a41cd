//! One test binary for everything that runs the program or crosses modules.

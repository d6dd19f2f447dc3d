//! Errors in constant words: none has room for a value, a digest or a key.

/// Implements `Display` with one constant sentence per variant, and `Error`.
macro_rules! constant_text {
    ($error:ident { $($variant:pat => $text:literal),+ $(,)? }) => {
        impl ::std::fmt::Display for $error {
            fn fmt(&self, formatter: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                formatter.write_str(match self { $($variant => $text),+ })
            }
        }

        impl ::std::error::Error for $error {}
    };
}

pub(crate) use constant_text;

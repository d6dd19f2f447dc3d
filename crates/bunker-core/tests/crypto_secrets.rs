//! Types that hold a key offer no way to print, copy or compare it. This file does not compile
//! otherwise.

use std::fmt::{Debug, Display};

use bunker_core::crypto::{IndexKey, MasterKey, RandomPool, WrappingKey};
use bunker_core::secret::SecretKey;
use bunker_core::trail::TrailKey;

/// Fails to compile when the type has the trait: the second blanket implementation then makes the
/// type of the underscore ambiguous.
macro_rules! never {
    ($type:ty: $($forbidden:path),+) => {$(
        const _: fn() = || {
            trait Ambiguous<Marker> {
                fn item() {}
            }
            struct Forbidden;
            impl<T: ?Sized> Ambiguous<()> for T {}
            impl<T: ?Sized + $forbidden> Ambiguous<Forbidden> for T {}
            let _ = <$type as Ambiguous<_>>::item;
        };
    )+};
}

never!(SecretKey: Debug, Display, Clone, PartialEq);
never!(MasterKey: Debug, Display, Clone, PartialEq);
never!(WrappingKey: Debug, Display, Clone, PartialEq);
never!(IndexKey: Debug, Display, Clone, PartialEq);
never!(TrailKey: Debug, Display, Clone, PartialEq);
never!(RandomPool: Debug, Display, Clone, PartialEq);

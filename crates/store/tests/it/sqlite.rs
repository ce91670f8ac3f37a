//! The embedded store keeps the promises of every store.

use std::sync::Arc;

use quell_engine::port::Store;
use quell_sim::conformance;
use quell_store::{OpenMode, SqliteStore};

use crate::directory;

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_store_conforms() {
    conformance::store::run(|| {
        let place = directory();
        move || -> Arc<dyn Store> { Arc::new(SqliteStore::open(place.path(), OpenMode::Create).expect("a store")) }
    })
    .await;
}

import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from service.audit.errors import StoreError
from service.audit.schema import METADATA
from service.audit.store import Store
from tests.service.audit.stores import Place, append, connected, fill, opened, verified


def test_the_migrations_make_the_tables_that_the_code_expects(place: Place):
    fill(place, 1)
    with connected(place) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_services_that_start_at_once_on_an_empty_place_all_start(place: Place):
    stores: list[Store] = []
    failures: list[BaseException] = []

    def start() -> None:
        try:
            stores.append(Store.open(place.url, place.key_file))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for store in stores:
        store.close()
    assert not failures
    report = verified(place)
    assert report.is_sound
    assert report.writers == 6


def test_a_store_of_a_newer_version_is_refused(place: Place):
    fill(place, 1)
    with connected(place) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="newer version"):
        Store.open(place.url, place.key_file)


def test_a_store_is_opened_again_with_what_is_in_it(place: Place):
    fill(place, 2)
    with opened(place) as store:
        append(store)
    assert verified(place).rows == 2

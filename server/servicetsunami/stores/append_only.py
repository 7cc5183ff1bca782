"""What has a database refuse to change audit records, whoever asks and by whatever code.

Records may be deleted once a later one of their chain says that they were given up.
"""

from typing import Final

_GIVEN_UP: Final = (
    "EXISTS (SELECT 1 FROM audit WHERE tenant = OLD.tenant"
    " AND through >= OLD.number AND number > OLD.number)"
)
_REFUSAL: Final = "'audit records cannot be changed'"

_POSTGRESQL: Final = (
    f"""
    CREATE OR REPLACE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF TG_OP = 'DELETE' THEN
        IF {_GIVEN_UP} THEN
          RETURN OLD;
        END IF;
      END IF;
      RAISE EXCEPTION {_REFUSAL};
    END $$
    """,
    "CREATE TRIGGER audit_rows BEFORE UPDATE OR DELETE ON audit "
    "FOR EACH ROW EXECUTE FUNCTION audit_is_append_only()",
    "CREATE TRIGGER audit_whole BEFORE TRUNCATE ON audit "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()",
)
_SQLITE: Final = (
    "CREATE TRIGGER audit_update BEFORE UPDATE ON audit "
    f"BEGIN SELECT RAISE(ABORT, {_REFUSAL}); END",
    f"CREATE TRIGGER audit_delete BEFORE DELETE ON audit WHEN NOT {_GIVEN_UP} "
    f"BEGIN SELECT RAISE(ABORT, {_REFUSAL}); END",
)


def append_only(dialect: str) -> tuple[str, ...]:
    """The statements to set it up, on `postgresql` or `sqlite`."""
    return _POSTGRESQL if dialect == "postgresql" else _SQLITE

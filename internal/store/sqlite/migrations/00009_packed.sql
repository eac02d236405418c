-- +goose Up

-- Content is packed from now on and stands in payloads.request, with body and record NULL: see internal/store/sealed. What was
-- stored before stays as it is. Nothing changes but the version, so that programs that could not read it do not open the store.
SELECT 1;

-- +goose Down
SELECT 1;

package operateapi

import (
	"context"
	"net/http"

	"github.com/callgate/callgate/internal/operate"
)

var (
	get       = []string{http.MethodGet}
	post      = []string{http.MethodPost}
	getOrPost = []string{http.MethodGet, http.MethodPost}
)

// routes is the table. A row that is added here is served by every face.
var routes = []Route{
	{getOrPost, "events", "Events", listing((*operate.Service).Events)},
	{get, "events/{id}", "Event", event},
	{post, "events/{id}/content", "RevealEvent", reasoned((*operate.Service).RevealEvent)},
	{getOrPost, "deliveries", "Deliveries", listing((*operate.Service).Deliveries)},
	{get, "destinations", "Destinations", asking((*operate.Service).Destinations)},
	{get, "overview", "Overview", overview},
	{get, "destinations/{name}", "Destination", askingOf((*operate.Service).Destination)},
	{get, "tenants", "Tenants", asking((*operate.Service).Tenants)},
	{post, "facets", "Facets", acting((*operate.Service).Facets)},
	{get, "stats", "Statistics", asking((*operate.Service).Statistics)},
	{get, "cluster", "Cluster", asking((*operate.Service).Cluster)},
	{get, "rotations", "Rotations", asking((*operate.Service).Rotations)},
	{get, "ready", "Ready", ready},
	{post, "audit", "AuditQuery", acting((*operate.Service).AuditQuery)},
	{post, "audit/tail", "AuditTail", auditTail},
	{get, "audit/status", "AuditStatus", asking((*operate.Service).AuditStatus)},
	{get, "audit/verify", "AuditVerify", asking((*operate.Service).AuditVerify)},
	{get, "audit/records/{seq}/proof", "AuditProve", askingOf((*operate.Service).AuditProve)},
	{post, "audit/checkpoint", "AuditCheckpoint", auditCheckpoint},
	{post, "audit/export", "AuditExport", auditExport},
	{post, "audit/prune", "AuditPrune", acting((*operate.Service).AuditPrune)},
	{get, "tail", "Tail", tail},
	{post, "preview", "Preview", preview},
	{post, "replay", "Replay", acting((*operate.Service).Replay)},
	{post, "retry", "SendNow", acting((*operate.Service).SendNow)},
	{post, "cancel", "Cancel", acting((*operate.Service).Cancel)},
	{post, "erase", "Erase", acting((*operate.Service).Erase)},
	{get, "jobs", "Jobs", asking((*operate.Service).Jobs)},
	{post, "jobs", "StartJob", acting((*operate.Service).StartJob)},
	{post, "jobs/erase", "StartErasure", acting((*operate.Service).StartErasure)},
	{get, "jobs/{id}", "Job", askingOf((*operate.Service).Job)},
	{post, "jobs/{id}/stop", "StopJob", actingOn((*operate.Service).StopJob)},
	{post, "destinations/{name}/test", "TestDestination", testDestination},
	{post, "destinations/{name}/pause", "Pause", reasoned((*operate.Service).Pause)},
	{post, "destinations/{name}/resume", "Resume", actingOn((*operate.Service).Resume)},
	{get, "keys", "DataKeys", asking((*operate.Service).DataKeys)},
	{get, "keys/check", "CheckDataKeys", asking((*operate.Service).CheckDataKeys)},
	{post, "keys/rotate", "RotateDataKey", acting((*operate.Service).RotateDataKey)},
	{post, "keys/destroy", "DestroyDataKeys", acting((*operate.Service).DestroyDataKeys)},
	{get, "documents/{kind}", "Documents", onKind((*operate.Service).Documents)},
	{get, "documents/{kind}/{name}", "Document", onDocument((*operate.Service).Document)},
	{post, "documents/{kind}/{name}", "SaveDocument", onDocument((*operate.Service).SaveDocument)},
	{get, "documents/{kind}/{name}/versions", "DocumentVersions", versions},
	{get, "documents/{kind}/{name}/diff", "CompareDocument", onDocument((*operate.Service).CompareDocument)},
	{post, "documents/{kind}/{name}/publish", "PublishDocument", onDocument((*operate.Service).PublishDocument)},
	{post, "documents/{kind}/{name}/rollback", "RollbackDocument", onDocument((*operate.Service).RollbackDocument)},
	{get, "builder/kit", "BuilderKit", asking((*operate.Service).BuilderKit)},
	{post, "builder/begin", "BuilderBegin", building((*operate.Service).BuilderBegin)},
	{post, "builder/sample", "BuilderSample", building((*operate.Service).BuilderSample)},
	{post, "builder/preview", "PreviewDraft", building((*operate.Service).PreviewDraft)},
	{post, "builder/test", "TestDraft", building((*operate.Service).TestDraft)},
	{post, "builder/lines", "DraftAsLines", building((*operate.Service).DraftAsLines)},
	{post, "builder/fields", "AccountFields", building((*operate.Service).AccountFields)},
	{post, "documents/{kind}/{name}/remove", "RemoveDocument", onDocument((*operate.Service).RemoveDocument)},
}

// answer carries an operation out and writes what it gives.
func answer[T any](a *API, w http.ResponseWriter, do func(*operate.Service) (T, error)) error {
	s, err := a.Service()
	if err != nil {
		return err
	}
	v, err := do(s)
	if err != nil {
		return err
	}
	return writeJSON(w, v)
}

// listing, acting and asking make handlers of operations of the same form.
func listing[T any](op func(*operate.Service, context.Context, operate.Actor, operate.Listing) (T, error)) handler {
	return func(a *API, w http.ResponseWriter, r *http.Request, _ []string) error {
		l, err := readListing(w, r)
		if err != nil {
			return err
		}
		return answer(a, w, func(s *operate.Service) (T, error) { return op(s, r.Context(), a.Actor(r), l) })
	}
}

func acting[S, T any](op func(*operate.Service, context.Context, operate.Actor, S) (T, error)) handler {
	return func(a *API, w http.ResponseWriter, r *http.Request, _ []string) error {
		var sel S
		if err := readPosted(w, r, &sel); err != nil {
			return err
		}
		return answer(a, w, func(s *operate.Service) (T, error) { return op(s, r.Context(), a.Actor(r), sel) })
	}
}

// building is acting for what has a draft or a payload in it.
func building[S, T any](op func(*operate.Service, context.Context, operate.Actor, S) (T, error)) handler {
	return func(a *API, w http.ResponseWriter, r *http.Request, _ []string) error {
		var in S
		if err := readQuery(r, noQuery); err != nil {
			return err
		}
		if err := readJSON(w, r, maxPreview, &in); err != nil {
			return err
		}
		return answer(a, w, func(s *operate.Service) (T, error) { return op(s, r.Context(), a.Actor(r), in) })
	}
}

func asking[T any](op func(*operate.Service, context.Context, operate.Actor) (T, error)) handler {
	return func(a *API, w http.ResponseWriter, r *http.Request, _ []string) error {
		if err := readQuery(r, noQuery); err != nil {
			return err
		}
		return answer(a, w, func(s *operate.Service) (T, error) { return op(s, r.Context(), a.Actor(r)) })
	}
}

// askingOf is asking for what the path names, actingOn acting on it, and reasoned acting on it for a reason.
func askingOf[T any](op func(*operate.Service, context.Context, operate.Actor, string) (T, error)) handler {
	return func(a *API, w http.ResponseWriter, r *http.Request, args []string) error {
		if err := readQuery(r, noQuery); err != nil {
			return err
		}
		return answer(a, w, func(s *operate.Service) (T, error) { return op(s, r.Context(), a.Actor(r), args[0]) })
	}
}

func actingOn[T any](op func(*operate.Service, context.Context, operate.Actor, string) (T, error)) handler {
	return func(a *API, w http.ResponseWriter, r *http.Request, args []string) error {
		if err := readPosted(w, r, new(struct{})); err != nil {
			return err
		}
		return answer(a, w, func(s *operate.Service) (T, error) { return op(s, r.Context(), a.Actor(r), args[0]) })
	}
}

// withReason is the object of requests that say why.
type withReason struct {
	Reason string `json:"reason"`
}

func reasoned[T any](op func(_ *operate.Service, _ context.Context, _ operate.Actor, name, reason string) (T, error)) handler {
	return func(a *API, w http.ResponseWriter, r *http.Request, args []string) error {
		var why withReason
		if err := readPosted(w, r, &why); err != nil {
			return err
		}
		return answer(a, w, func(s *operate.Service) (T, error) { return op(s, r.Context(), a.Actor(r), args[0], why.Reason) })
	}
}

func event(a *API, w http.ResponseWriter, r *http.Request, args []string) error {
	var content string
	err := readQuery(r, func(name string) *string {
		if name == "content" {
			return &content
		}
		return nil
	})
	if err != nil {
		return err
	}
	if content != "" {
		return badRequest("what the caller said is asked for with a reason: POST it as JSON to " + a.Prefix + "events/{id}/content")
	}
	return answer(a, w, func(s *operate.Service) (*operate.EventDetail, error) {
		return s.Event(r.Context(), a.Actor(r), args[0])
	})
}

// overview is of the time that window in the query names.
func overview(a *API, w http.ResponseWriter, r *http.Request, _ []string) error {
	var c operate.OverviewChoice
	err := readQuery(r, func(name string) *string {
		if name == "window" {
			return &c.Window
		}
		return nil
	})
	if err != nil {
		return err
	}
	return answer(a, w, func(s *operate.Service) (*operate.Overview, error) { return s.Overview(r.Context(), a.Actor(r), c) })
}

// preview shows what becomes of a payload, also where no store is open.
func preview(a *API, w http.ResponseWriter, r *http.Request, _ []string) error {
	var in operate.PreviewInput
	if err := readQuery(r, noQuery); err != nil {
		return err
	}
	if err := readJSON(w, r, maxPreview, &in); err != nil {
		return err
	}
	s, err := a.Ready()
	if err != nil {
		return err
	}
	p, err := s.Preview(r.Context(), a.Actor(r), in)
	if err != nil {
		return err
	}
	return writeJSON(w, p)
}

// ready answers 503 where no calls should be sent to, with the reason in the member error. max_queue_age in the query is
// how long the oldest delivery may wait.
func ready(a *API, w http.ResponseWriter, r *http.Request, _ []string) error {
	var in operate.ReadyInput
	err := readQuery(r, func(name string) *string {
		if name == "max_queue_age" {
			return &in.MaxQueueAge
		}
		return nil
	})
	if err != nil {
		return err
	}
	s, err := a.Ready()
	if err != nil {
		return err
	}
	state, err := s.Ready(r.Context(), a.Actor(r), in)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	if !state.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	return writeJSON(w, state)
}

func testDestination(a *API, w http.ResponseWriter, r *http.Request, args []string) error {
	var in operate.TestSending
	if err := readQuery(r, noQuery); err != nil {
		return err
	}
	if err := readJSON(w, r, maxPreview, &in); err != nil {
		return err
	}
	s, err := a.Ready()
	if err != nil {
		return err
	}
	out, err := s.TestDestination(r.Context(), a.Actor(r), args[0], in)
	if err != nil {
		return err
	}
	return writeJSON(w, out)
}

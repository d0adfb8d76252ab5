package audit

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/zcurve/zcurve/internal/tally"
	"github.com/zcurve/zcurve/zap"
)

// The decisions about one source share two limits, one for refusals and one for admissions.
var (
	refusals   = &tally.Class{Bound: 20, Level: slog.LevelWarn, More: "more clients refused"}
	admissions = &tally.Class{Bound: 200, Level: slog.LevelInfo, More: "more clients admitted"}
)

// refusal identifies a refusal, to count its repeats.
type refusal struct{ asker, domain, address, mechanism, key, login, principal, reason, rule string }

// Again returns the message for the count.
func (r refusal) Again() tally.Line {
	return tally.Line{Level: slog.LevelWarn, Message: "client refused again", Attrs: appendFields(nil,
		field{"asker", r.asker}, field{"domain", r.domain}, field{"address", r.address}, field{"mechanism", r.mechanism},
		field{"key", r.key}, field{"login", r.login}, field{"principal", r.principal}, field{"reason", r.reason}, field{"rule", r.rule})}
}

// field is an attribute of the log. An empty one is not logged.
type field struct{ name, value string }

func appendFields(attrs []slog.Attr, fields ...field) []slog.Attr {
	for _, f := range fields {
		if f.value != "" {
			attrs = append(attrs, slog.String(f.name, f.value))
		}
	}
	return attrs
}

// tell logs a decision, or counts it. err says why the handler failed, if it did.
func (h *Handler) tell(now time.Time, req *zap.Request, reply zap.Reply, err error) {
	level, message := slog.LevelWarn, "client refused"
	if reply.Status == zap.StatusOK {
		level, message = slog.LevelInfo, "client admitted"
	} else if reply.Status == zap.StatusError && err != nil && !errors.Is(err, zap.ErrRequest) {
		level = slog.LevelError
	}
	ctx := context.Background()
	if h.log == nil || !h.log.Enabled(ctx, level) {
		return
	}
	r := NewRecord(now, req, reply)
	repeated, ok := h.count(now, &r)
	if !ok {
		return
	}
	attrs := append(make([]slog.Attr, 0, 16), slog.Int("status", r.Status))
	attrs = appendFields(attrs, field{"asker", r.Asker})
	attrs = append(attrs, slog.String("domain", r.Domain), slog.String("address", r.Address), slog.String("mechanism", r.Mechanism))
	attrs = appendFields(attrs, field{"key", r.Key}, field{"fingerprint", r.Fingerprint}, field{"login", r.Login},
		field{"principal", r.Principal}, field{"identity", r.Identity}, field{"user", r.User}, field{"reason", r.Reason}, field{"rule", r.Rule})
	if repeated > 0 {
		attrs = append(attrs, slog.Int("count", repeated))
	}
	if err != nil {
		attrs = append(attrs, slog.Any("err", err))
	}
	h.log.LogAttrs(ctx, level, message, attrs...)
}

// count reports whether to log a decision. If so, repeated is the number of refusals like
// it that have not been logged since the last one.
func (h *Handler) count(now time.Time, r *Record) (repeated int, ok bool) {
	if r.Status == int(zap.StatusOK) {
		return 0, h.tally.Each(now, admissions, r.Address)
	}
	return h.tally.Once(now, refusals, r.Address,
		refusal{r.Asker, r.Domain, r.Address, r.Mechanism, r.Key, r.Login, r.Principal, r.Reason, r.Rule})
}

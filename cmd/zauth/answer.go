package main

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/zcurve/zcurve/internal/control"
	"github.com/zcurve/zcurve/internal/monitor"
)

// answer carries out a request of the operator.
func (d *daemon) answer(ctx context.Context, asker string, req control.Request) (any, error) {
	switch req.Command {
	case control.CommandStatus:
		return d.status(), nil
	case control.CommandClients:
		clients := matching(d.monitor.Clients(), req.Search)
		slices.SortFunc(clients, orders[req.Sort])
		return d.first(clients, req.Limit), nil
	case control.CommandPending:
		pending := matching(d.monitor.Pending(), req.Search)
		return d.first(pending, req.Limit), nil
	}
	d.changing.Lock()
	defer d.changing.Unlock()
	switch req.Command {
	case control.CommandAdmit:
		return d.admit(ctx, asker, req)
	case control.CommandDeny:
		return d.deny(asker, req)
	}
	return d.switchAudit(asker, req.State)
}

// first returns the first of some clients.
func (d *daemon) first(clients []monitor.Client, limit int) control.Clients {
	found := control.Clients{Total: len(clients), Clients: []monitor.Client{}, AdmitTo: d.flags.admitTo}
	found.Clients = append(found.Clients, clients[:min(len(clients), limit)]...)
	return found
}

// matching returns the clients whose names, keys or last addresses contain a text.
func matching(clients []monitor.Client, text string) []monitor.Client {
	text = strings.ToLower(text)
	return slices.DeleteFunc(clients, func(c monitor.Client) bool {
		of := []string{c.Identity, c.Login, c.Principal, c.Key, c.Fingerprint}
		for _, last := range []*monitor.Last{c.Admitted, c.Refused} {
			if last != nil {
				of = append(of, last.Address, last.Domain)
			}
		}
		return !slices.ContainsFunc(of, func(s string) bool { return strings.Contains(strings.ToLower(s), text) })
	})
}

// orders are the orders of zauth clients, by the value of --sort.
var orders = map[string]func(a, b monitor.Client) int{
	"name": byName,
	"admitted": func(a, b monitor.Client) int {
		return cmp.Or(timeOf(b.Admitted).Compare(timeOf(a.Admitted)), byName(a, b))
	},
	"refused": func(a, b monitor.Client) int {
		return cmp.Or(timeOf(b.Refused).Compare(timeOf(a.Refused)), byName(a, b))
	},
}

// byName puts the clients without a name last.
func byName(a, b monitor.Client) int {
	nameless := func(c monitor.Client) int {
		if nameOf(c) == "" {
			return 1
		}
		return 0
	}
	return cmp.Or(nameless(a)-nameless(b), cmp.Compare(nameOf(a), nameOf(b)), cmp.Compare(a.Key, b.Key))
}

// nameOf returns the name of a client, or "" for an unknown key.
func nameOf(c monitor.Client) string { return cmp.Or(c.Identity, c.Login, c.Principal) }

// timeOf returns the time of a decision, or zero if there was none.
func timeOf(last *monitor.Last) (at time.Time) {
	if last != nil {
		at = last.Time
	}
	return at
}

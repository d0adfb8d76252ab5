package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/control"
	"github.com/zcurve/zcurve/internal/monitor"
	"github.com/zcurve/zcurve/zap"
)

func newStatus() *cobra.Command {
	var f askFlags
	cmd := &cobra.Command{
		Use:        "status",
		Short:      "Show what a running zauth is doing",
		SuggestFor: []string{"stats", "info", "show", "health", "uptime"},
		Long: `Status shows how long zauth has been running, its policy, the keystores and
revocation lists, the identities whose certificates expire within 30 days, how many
clients were admitted and refused, and the limits that were hit.

Status exits 0 if all is well, and 1 if zauth does not answer, if it cannot read the
policy or a keystore as it is now, or if a revocation list has expired.`,
		Example: `  zauth status
  zauth status --json | jq .pending`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var s control.Status
			show, err := f.ask(cmd, control.Request{Command: control.CommandStatus}, &s)
			if show {
				err = printStatus(cmd, s)
			}
			if err != nil {
				return err
			}
			return trouble(s, time.Now())
		},
	}
	f.add(cmd.Flags())
	return cmd
}

// trouble returns an error if something does not work until the operator repairs it.
func trouble(s control.Status, now time.Time) error {
	var found []string
	if s.Reloads.Failed != "" {
		found = append(found, "the newest rules are not applied: "+s.Reloads.Failed)
	}
	for _, store := range s.Stores {
		if store.Failed != "" {
			found = append(found, store.URL+" cannot be read")
		}
	}
	for _, l := range s.Lists {
		if !l.Expires.After(now) {
			found = append(found, l.File+" has expired")
		}
	}
	if len(found) > 0 {
		return errors.New(strings.Join(found, "; "))
	}
	return nil
}

// maxExpiring is how many identities whose certificates expire soon are printed.
const maxExpiring = 10

// printStatus prints a status for people.
func printStatus(cmd *cobra.Command, s control.Status) error {
	now, paint := time.Now(), cli.NewPainter(cmd)
	return cli.Print(cmd, func(out io.Writer) {
		fmt.Fprintf(out, "%s %s\n", paint.Head("zauth"), s.Version)
		line := func(name, format string, args ...any) {
			fmt.Fprintf(out, "  %-10s %s\n", name, fmt.Sprintf(format, args...))
		}
		line("up", "%s, since %s", duration(now.Sub(s.Started)), s.Started.Local().Format(time.DateTime))
		line("listening", "%s", strings.Join(s.Endpoints, ", "))
		if p := s.Policy; p != nil {
			line("policy", "%s, loaded %s", p.File, moment(p.Since, now))
			line("", "sha256 %s", p.Digest)
			if len(p.Domains) > 0 {
				line("", "domains %s", strings.Join(p.Domains, ", "))
			}
			if p.Failed != "" {
				line("", "%s", paint.Bad("the previous version still applies: "+strings.ReplaceAll(p.Failed, "\n", "\n             ")))
			}
		}
		for _, store := range s.Stores {
			line("keystore", "%s: %s, %d revoked", store.URL, countOf(store.Identities, "identity", "identities"), store.Revoked)
			if store.Failed != "" {
				line("", "%s", paint.Bad(store.Failed))
			}
		}
		for _, l := range s.Lists {
			text := fmt.Sprintf("%s, expires %s", l.File, moment(l.Expires, now))
			if !l.Expires.After(now) {
				text = paint.Bad(text)
			}
			line("list", "%s", text)
		}
		for _, e := range s.Expiring[:min(len(s.Expiring), maxExpiring)] {
			line("expiring", "%s", paint.Doubtful(fmt.Sprintf("%s in %s, %s", e.Name, e.Store, moment(e.Expires, now))))
		}
		if more := s.ExpiringAll - maxExpiring; more > 0 {
			line("", "and %d more within 30 days: see --json", more)
		}
		for _, l := range s.Limits {
			if l.Count == 0 {
				continue
			}
			line("limit hit", "%s: %s", l.Name, count(int(l.Count), "time"))
		}
		if s.Audit != "" {
			line("audit log", "%s", s.Audit)
		}
		line("pending", "%s", pendingText(s.Pending))
		printTotals(out, s)
	})
}

func pendingText(pending int) string {
	if pending == 0 {
		return "no unknown key"
	}
	return count(pending, "unknown key") + ": see zauth pending"
}

// printTotals prints the numbers of decisions.
func printTotals(out io.Writer, s control.Status) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "decisions\tadmitted\ttry later\trefused\tfailed\t")
	row := func(name string, t monitor.Totals) {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t\n", name, t.Admitted, t.TryLater, t.Refused, t.Failed)
	}
	row("last minute", s.Minute)
	row("last hour", s.Hour)
	row("since the start", totals(s.Counts))
	table.Flush()
	counts := slices.Clone(s.Counts)
	slices.SortFunc(counts, func(a, b monitor.Count) int { return strings.Compare(labels(a), labels(b)) })
	for _, c := range counts {
		fmt.Fprintf(out, "  %s: %d\n", labels(c), c.Count)
	}
}

// labels names what a count is about.
func labels(c monitor.Count) string {
	return fmt.Sprintf("%s, %s, %d", domainName(c.Domain), c.Mechanism, c.Status)
}

// totals adds counts up by status.
func totals(counts []monitor.Count) (t monitor.Totals) {
	for _, c := range counts {
		switch zap.Status(c.Status) {
		case zap.StatusOK:
			t.Admitted += c.Count
		case zap.StatusTryLater:
			t.TryLater += c.Count
		case zap.StatusRefused:
			t.Refused += c.Count
		default:
			t.Failed += c.Count
		}
	}
	return t
}

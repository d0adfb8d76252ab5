package main

import (
	"bytes"
	"testing"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/control"
	"github.com/zcurve/zcurve/internal/monitor"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap/audit"
)

// TestHostileLogin: the user name that a client chose cannot control the operator's terminal.
func TestHostileLogin(t *testing.T) {
	t.Parallel()
	const hostile = "\x1b[2Jalice\u202e\nadmitted"
	var out bytes.Buffer
	cmd := &cobra.Command{}
	cmd.SetOut(&out)
	last := &monitor.Last{Status: 400, Reason: "wrong user name or password"}
	ztest.Must(t, printClients(cmd, control.Clients{Total: 1, Clients: []monitor.Client{{Login: hostile, Refused: last, Refusals: 1}}}))
	printEvent(&out, cli.Painter{}, control.Event{Event: monitor.Event{Record: audit.Record{Status: 400, Login: hostile}, Count: 1}})
	if lines := bytes.Count(out.Bytes(), []byte("\n")); lines != 3 || bytes.ContainsAny(out.Bytes(), "\x1b\u202e") {
		t.Errorf("got %q", &out)
	}
}

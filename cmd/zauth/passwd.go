package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/xdg-go/stringprep"

	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/modes"
	"github.com/zcurve/zcurve/internal/zpl"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/sasl"
)

const (
	// maxPasswordFile is the size in bytes of the largest password file.
	maxPasswordFile = 1 << 20
	// maxUsers is how many accounts fit in a policy of 4 MiB.
	maxUsers = 10_000
)

func newPasswd() *cobra.Command {
	var domain string
	var k kinds
	cmd := &cobra.Command{
		Use:   "passwd FILE|- [NAME...]",
		Short: "Convert a password file to policy accounts",
		Long: `Passwd reads a file of NAME=PASSWORD lines, as czmq's zauth uses, and prints a policy
with an account for each NAME, or for those you list. Passwords are hashed with
Argon2id for PLAIN. With --scram, accounts have verifiers for SCRAM instead; with
--plain --scram, both. Passwd ignores empty lines and lines that begin with #. If FILE
is -, it reads stdin.

The output contains no passwords. Redirect it to a policy file, or copy its accounts
into an existing policy. Then delete the password file.`,
		Example: `  zauth passwd passwords.txt > policy.zpl
  zauth passwd passwords.txt alice bob --domain chat --plain --scram >> policy.zpl
  zauth check policy.zpl`,
		Args: cli.SomeArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := readPasswordFile(cmd, args[0])
			if err != nil {
				return err
			}
			defer clear(text)
			users, err := parsePasswords(text)
			if err == nil {
				users, err = selectUsers(users, args[1:])
			}
			if err == nil && k.scram {
				err = checkScram(users)
			}
			if err != nil {
				err = fmt.Errorf("%s: %w", args[0], err)
				if _, invalid := policy.Parse(args[0], text); invalid == nil {
					err = cli.Hint(err, "the file is a policy: replace each password in it with the output of zauth hash")
				}
				return err
			}
			return printAccounts(cmd, domain, k, users)
		},
	}
	cmd.Flags().StringVar(&domain, "domain", "", "write a policy for `DOMAIN` instead of for every domain")
	k.add(cmd.Flags())
	return cmd
}

func readPasswordFile(cmd *cobra.Command, path string) ([]byte, error) {
	in := cmd.InOrStdin()
	if path != "-" {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("reading passwords: %w", err)
		}
		if !info.Mode().IsRegular() {
			return nil, cli.Hint(fmt.Errorf("%s: not a regular file", path), "to read a pipe, use stdin: zauth passwd -")
		}
		if why := modes.Readable(path); why != "" {
			cli.Warn(cmd, "%s: it contains passwords", why)
		}
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("reading passwords: %w", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxPasswordFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading passwords: %w", err)
	}
	if len(text) > maxPasswordFile {
		return nil, fmt.Errorf("%s: more than %d bytes", path, maxPasswordFile)
	}
	return text, nil
}

// passwordLine is a NAME=PASSWORD line.
type passwordLine struct {
	name     string
	password []byte // a slice of the file's text
}

// parsePasswords parses NAME=PASSWORD lines. The name ends at the first "="; the rest
// of the line is the password. Errors give the line number and never a password.
func parsePasswords(text []byte) (users []passwordLine, err error) {
	seen := map[string]bool{}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	for number := 1; len(text) > 0; number++ {
		var line []byte
		line, text, _ = bytes.Cut(text, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		name, password, ok := bytes.Cut(line, []byte("="))
		if !ok {
			return nil, fmt.Errorf("line %d: expected NAME=PASSWORD", number)
		}
		u := passwordLine{string(name), password}
		if err := u.check(); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if seen[u.name] {
			return nil, fmt.Errorf("line %d: duplicate user %q", number, u.name)
		}
		seen[u.name] = true
		if users = append(users, u); len(users) > maxUsers {
			return nil, fmt.Errorf("more than %d users", maxUsers)
		}
	}
	if len(users) == 0 {
		return nil, errors.New("no NAME=PASSWORD lines")
	}
	return users, nil
}

// check returns an error if a policy cannot hold the user.
func (u passwordLine) check() error {
	switch {
	case u.name == "":
		return errors.New("missing name before =")
	case len(u.name) > maxPassword:
		return fmt.Errorf("name longer than %d bytes, the limit of PLAIN", maxPassword)
	case strings.TrimSpace(u.name) != u.name:
		return fmt.Errorf("name %q: remove the spaces around it", u.name)
	case zpl.CheckValue(u.name) != nil:
		return fmt.Errorf("name %q: not allowed in a policy: %w", u.name, zpl.CheckValue(u.name))
	case bytes.HasPrefix(u.password, []byte("$argon2")), bytes.HasPrefix(u.password, []byte(sasl.ScramSHA256+"$")),
		bytes.HasPrefix(u.password, []byte("$2")) && len(u.password) == 60:
		return fmt.Errorf("the password of %q is already a hash: copy it to the policy unchanged", u.name)
	}
	if _, err := checkPassword(u.password); err != nil {
		return fmt.Errorf("user %q: %w", u.name, err)
	}
	return nil
}

// selectUsers returns the users with these names, in order of names, or all users if
// there are none.
func selectUsers(users []passwordLine, names []string) ([]passwordLine, error) {
	if len(names) == 0 {
		return users, nil
	}
	var selected []passwordLine
	for _, name := range names {
		i := slices.IndexFunc(users, func(u passwordLine) bool { return u.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no user %q", name)
		}
		selected = append(selected, users[i])
	}
	return selected, nil
}

// checkScram returns an error if SCRAM cannot use a name or a password.
func checkScram(users []passwordLine) error {
	for _, u := range users {
		what := fmt.Sprintf("name %q", u.name)
		if err := checkPrepared(what, []byte(u.name)); err != nil {
			return err
		}
		if prepared, _ := stringprep.SASLprep.Prepare(u.name); prepared != u.name {
			return fmt.Errorf("name %+q: clients that use SCRAM send it as %q: rename the user", u.name, prepared)
		}
		if err := checkPrepared(fmt.Sprintf("password of %q", u.name), u.password); err != nil {
			return err
		}
	}
	return nil
}

// printAccounts hashes all passwords, and then prints the policy.
func printAccounts(cmd *cobra.Command, domain string, k kinds, users []passwordLine) error {
	property := func(name, value string, children ...*zpl.Node) *zpl.Node {
		return &zpl.Node{Name: name, Value: value, HasValue: true, Children: children}
	}
	plain := property("plain", "1")
	bar := cli.Progress(cmd, len(users), "hashing passwords", false)
	for _, u := range users {
		if err := cmd.Context().Err(); err != nil {
			bar.Exit()
			return fmt.Errorf("interrupted, nothing printed: %w", err)
		}
		value, err := k.hash(u.password)
		if err != nil {
			bar.Exit()
			return fmt.Errorf("user %q: %w", u.name, err)
		}
		plain.Children = append(plain.Children, &zpl.Node{Name: "account", Children: []*zpl.Node{
			property("login", u.name), property("password", value),
		}})
		bar.Add(1)
	}
	bar.Finish()
	security := &zpl.Node{Name: "security", Children: []*zpl.Node{plain}}
	if domain != "" {
		security.Children = slices.Insert(security.Children, 0, property("domain", domain))
	}
	text, err := zpl.Append(nil, nil, []*zpl.Node{security})
	if err != nil {
		return fmt.Errorf("--domain %q: %w", domain, err)
	}
	if _, err := cmd.OutOrStdout().Write(text); err != nil {
		return fmt.Errorf("writing to stdout: %w", err)
	}
	return nil
}

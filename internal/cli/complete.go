package cli

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/internal/storeurl"
)

// Extensions returns a function that completes to files with these extensions.
func Extensions(extensions ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(extensions, cobra.ShellCompDirectiveFilterFileExt)
}

// Values returns a function that completes to one of some values, and not to files.
func Values(values ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
}

// CompleteKeystore completes the URL of a keystore: its kind, and then its path or
// variable.
func CompleteKeystore(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	const open = cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	kind, path, found := strings.Cut(typed, ":")
	if !found {
		return []cobra.Completion{
			"dir:\ta directory of certificates",
			"bolt:\tone database file",
			"file:\ta file, read-only",
			"env:\tan environment variable, read-only",
		}, open
	}
	var all []cobra.Completion
	if kind == "env" {
		for _, variable := range os.Environ() {
			if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, path) {
				all = append(all, kind+":"+name)
			}
		}
		return all, cobra.ShellCompDirectiveNoFileComp
	}
	if !storeurl.HasPath(kind) {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	paths, _ := filepath.Glob(path + "*")
	for _, p := range paths {
		switch info, err := os.Stat(p); {
		case err != nil:
		case info.IsDir():
			all = append(all, kind+":"+p+"/")
		case kind != "dir":
			all = append(all, kind+":"+p)
		}
	}
	if len(all) == 1 && !strings.HasSuffix(all[0], "/") {
		return all, cobra.ShellCompDirectiveNoFileComp
	}
	return all, open
}

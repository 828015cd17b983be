"""A whole committee on one machine: chain, price sources, nodes, faults, an independent audit and a live view."""
